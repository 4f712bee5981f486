from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_of_endpoints_is_up_to_date():
    spec = spec_from_file_location("generate", DOCS / "generate.py")
    generate = module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert (DOCS / "api.md").read_text() == generate.api_page(), "run `make docs`"
