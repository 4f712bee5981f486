python "$(dirname "$0")/show.py" "$@"
