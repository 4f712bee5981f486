"""What every HTTP server of Millstream is made of: protocol, checks of hosts and origins, bodies, processes, log and counts."""
