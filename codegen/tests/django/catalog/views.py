import json
import uuid

import django_filters
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework import parsers, renderers, status, viewsets
from rest_framework.decorators import action
from rest_framework.response import Response

from . import serializers
from .models import Asset, Document, Project, Reading, Shape
from .pages import Cursor, Data, Headed, Items, Linked, Nested, Offset


class NumberIn(django_filters.BaseInFilter, django_filters.NumberFilter):
    pass


class AssetFilter(django_filters.FilterSet):
    id__in = NumberIn(field_name="id", lookup_expr="in")

    class Meta:
        model = Asset
        fields = {"created": ["gte", "lt"], "state": ["exact"], "priority": ["exact"], "project": ["exact"]}


class CsvRenderer(renderers.BaseRenderer):
    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(self, data, *_):
        return "".join(f"{row['id']},{row['title']}\r\n" for row in data)


class AssetViewSet(viewsets.ModelViewSet):
    """자산을 다룹니다.

    목록은 `created__gte` 등으로 거릅니다. 예:

    ```
    GET /api/assets/?created__gte=2024-01-01T00:00:00%2B09:00
        &id__in=1,2,3
    ```

        들여 쓴 블록: Vec<T>, [없는 링크], <태그>

    더 보기: https://example.com/문서?x=[1]
    """

    queryset = Asset.objects.select_related("project").order_by("id")
    serializer_class = serializers.AssetSerializer
    filterset_class = AssetFilter

    @extend_schema(request=serializers.AssetFileSerializer, responses=serializers.AssetSerializer)
    @action(detail=True, methods=["post"], parser_classes=[parsers.MultiPartParser])
    def upload(self, request, pk=None):
        """파일을 올립니다."""
        asset = self.get_object()
        form = serializers.AssetFileSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        asset.file = form.validated_data["file"]
        asset.note = form.validated_data.get("note", asset.note)
        if "labels" in form.validated_data:
            # What the parser and the fields read.
            read = {name: value for name, value in form.validated_data.items() if name not in ("file", "pages")}
            read["pages"] = [(page.name, page.content_type, page.size) for page in form.validated_data["pages"]]
            asset.note = json.dumps(read, sort_keys=True)
        asset.save()
        return Response(self.get_serializer(asset).data)

    @extend_schema(request=serializers.PublishSerializer, responses={202: serializers.PublishedSerializer})
    @action(detail=True, methods=["post"])
    def publish(self, request, pk=None):
        body = serializers.PublishSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response({"job": uuid.uuid4(), "state": "queued"}, status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=serializers.SearchSerializer, responses=serializers.AssetSerializer(many=True))
    @action(detail=False, methods=["post"])
    def search(self, request):
        body = serializers.SearchSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        found = self.get_queryset().filter(title__contains=body.validated_data["text"])
        return self.get_paginated_response(self.get_serializer(self.paginate_queryset(found), many=True).data)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"])
    def archive(self, request, pk=None):
        self.get_object()
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    @action(detail=False, renderer_classes=[CsvRenderer], pagination_class=None)
    def table(self, request):
        """A renderer of its own gives text/csv."""
        rows = self.filter_queryset(self.get_queryset()).values("id", "title")
        return Response(list(rows))

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.BINARY})
    @action(detail=False, pagination_class=None, filterset_class=None)
    def export(self, request):
        """No renderer is of text/csv: the answer is written by hand."""
        rows = Asset.objects.order_by("id").values_list("id", "title")
        return HttpResponse("".join(f"{id},{title}\n" for id, title in rows), content_type="text/csv; charset=utf-8")


class ProjectViewSet(viewsets.ReadOnlyModelViewSet):
    queryset = Project.objects.order_by("id")
    serializer_class = serializers.ProjectSerializer
    pagination_class = None


class DocumentViewSet(viewsets.ModelViewSet):
    """A writable file beside the parsers that DRF has by default: JSON, forms and multipart."""

    queryset = Document.objects.order_by("id")
    serializer_class = serializers.DocumentSerializer
    pagination_class = Offset


class ReadingViewSet(viewsets.ReadOnlyModelViewSet):
    queryset = Reading.objects.all()
    serializer_class = serializers.ReadingSerializer
    pagination_class = Cursor


class SampleViewSet(viewsets.ReadOnlyModelViewSet):
    queryset = Reading.objects.order_by("id")
    serializer_class = serializers.ReadingSerializer
    pagination_class = Offset


class NestedViewSet(SampleViewSet):
    pagination_class = Nested
    serializer_class = serializers.NestedReadingSerializer


class LinkedViewSet(SampleViewSet):
    pagination_class = Linked
    serializer_class = serializers.LinkedReadingSerializer


class ItemsViewSet(SampleViewSet):
    pagination_class = Items
    serializer_class = serializers.ItemsReadingSerializer


class DataViewSet(SampleViewSet):
    pagination_class = Data
    serializer_class = serializers.DataReadingSerializer


class HeadedViewSet(SampleViewSet):
    pagination_class = Headed
    serializer_class = serializers.HeadedReadingSerializer

    @extend_schema(extensions={"x-pagination": {"next": {"header": "Link"}, "count": {"header": "X-Total-Count"}}})
    def list(self, request, *args, **kwargs):
        return super().list(request, *args, **kwargs)


SHAPE = PolymorphicProxySerializer(
    component_name="Shape",
    serializers={"box": serializers.BoxSerializer, "circle": serializers.CircleSerializer},
    resource_type_field_name="kind",
)
BARE_SHAPE = PolymorphicProxySerializer(
    component_name="BareShape",
    serializers={"box": serializers.BareBoxSerializer, "circle": serializers.BareCircleSerializer},
    resource_type_field_name="kind",
)


class ShapeViewSet(viewsets.GenericViewSet):
    """Each item as its kind has it."""

    queryset = Shape.objects.order_by("id")
    kinds = {"box": serializers.BoxSerializer, "circle": serializers.CircleSerializer}
    tagged = False

    def show(self, shape):
        serializer = self.kinds.get(shape.kind, serializers.CircleSerializer)
        tag = {"kind": shape.kind} if self.tagged else {}
        return {**tag, **serializer(shape).data}

    def shapes(self):
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response([self.show(shape) for shape in page])

    @extend_schema(responses=SHAPE)
    def list(self, request):
        return self.shapes()

    @extend_schema(responses=SHAPE)
    def retrieve(self, request, pk=None):
        return Response(self.show(self.get_object()))


class BareShapeViewSet(ShapeViewSet):
    """The tag isn't in the serializers: drf-spectacular composes it with each."""

    kinds = {"box": serializers.BareBoxSerializer, "circle": serializers.BareCircleSerializer}
    tagged = True

    @extend_schema(responses=BARE_SHAPE)
    def list(self, request):
        return self.shapes()

    @extend_schema(responses=BARE_SHAPE)
    def retrieve(self, request, pk=None):
        return Response(self.show(self.get_object()))
