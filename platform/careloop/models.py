"""Every table of the product, imported in one visible place: for migrations and for the tests of the
walls.
"""

from billing import models as billing_models
from feedback import models as feedback_models
from foundation import audit, files, outbox
from foundation.database import Base
from outreach import models as outreach_models
from patients import models as patients_models
from reporting import models as reporting_models
from revisits import models as revisits_models
from surveys import models as surveys_models
from tenants import models as tenants_models
from workforce import models as workforce_models

MODULES = (
    audit,
    files,
    outbox,
    tenants_models,
    patients_models,
    workforce_models,
    outreach_models,
    surveys_models,
    revisits_models,
    feedback_models,
    billing_models,
    reporting_models,
)
METADATA = Base.metadata


def table_classes() -> dict[str, type[Base]]:
    """The mapped class of every table by table name."""
    return {mapper.local_table.name: mapper.class_ for mapper in Base.registry.mappers}  # type: ignore[attr-defined]
