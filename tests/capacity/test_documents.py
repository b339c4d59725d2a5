"""A document that cannot be read is told by its own form."""

from __future__ import annotations

from pathlib import Path

import pytest

from capacity.documents import read_yaml
from capacity.faults import BadInput


@pytest.mark.parametrize(("name", "form"), [("evidence.json", "JSON"), ("plan.yaml", "YAML")])
def test_a_broken_document_is_named_with_its_form_and_place(tmp_path: Path, name: str, form: str) -> None:
    file = tmp_path / name
    file.write_text('{"stages": [1,\n 2}')
    with pytest.raises(BadInput) as caught:
        read_yaml(file)
    (fault,) = caught.value.faults
    assert (fault.file.endswith(name), fault.path) == (True, "line 2, column 3")
    assert fault.problem.startswith(f"not valid {form}: ")
    assert form in fault.remedy
