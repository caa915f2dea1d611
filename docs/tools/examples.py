"""griffe calls this: the section of a docstring that is headed "Example:" is shown as code, as "Examples:" is."""

import re
from typing import Any

from griffe import Extension, Object


class Examples(Extension):
    """Rename the heading, by which griffe knows the section."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Look at an object when it has been read."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
