"""Which screens there are, in the order of their keys."""

from __future__ import annotations

from hil.console.page import Page
from hil.console.pages.alarms import AlarmsPage
from hil.console.pages.bench import BenchPage
from hil.console.pages.der import DerPage
from hil.console.pages.estimator import EstimatorPage
from hil.console.pages.feeders import FeedersPage
from hil.console.pages.forecast import ForecastPage
from hil.console.pages.one_line import OneLinePage
from hil.console.pages.overview import OverviewPage
from hil.console.pages.points import PointsPage
from hil.console.pages.protection import ProtectionPage
from hil.console.pages.transformers import TransformersPage

PAGES: tuple[type[Page], ...] = (
    OverviewPage,
    OneLinePage,
    FeedersPage,
    ProtectionPage,
    TransformersPage,
    DerPage,
    EstimatorPage,
    ForecastPage,
    AlarmsPage,
    PointsPage,
    BenchPage,
)
