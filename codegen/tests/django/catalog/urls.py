from django.conf import settings
from django.urls import include, path, re_path
from django.views.static import serve
from rest_framework.routers import DefaultRouter

from . import views

router = DefaultRouter()
router.register("assets", views.AssetViewSet)
router.register("bare-shapes", views.BareShapeViewSet, basename="bare-shape")
router.register("documents", views.DocumentViewSet)
for name, view in [
    ("nested", views.NestedViewSet),
    ("linked", views.LinkedViewSet),
    ("items", views.ItemsViewSet),
    ("data", views.DataViewSet),
    ("headed", views.HeadedViewSet),
]:
    router.register(name, view, basename=name)
router.register("projects", views.ProjectViewSet)
router.register("readings", views.ReadingViewSet)
router.register("samples", views.SampleViewSet, basename="sample")
router.register("shapes", views.ShapeViewSet)

urlpatterns = [
    path("api/", include(router.urls)),
    re_path(r"^media/(?P<path>.+)$", serve, {"document_root": settings.MEDIA_ROOT}),
]
