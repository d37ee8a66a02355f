"""What schemathesis uploads: small pictures, of which a PNG will do for every part."""

import schemathesis
from hypothesis import strategies as st

from tests.server.conftest import png

schemathesis.openapi.format("binary", st.sampled_from([png(8), png(8, optimize=True)]))
