from rest_framework import serializers

from .models import Asset, Document, Person, Project, Reading, Shape


class ProjectSerializer(serializers.ModelSerializer):
    class Meta:
        model = Project
        fields = ["id", "name", "state"]


class PersonSerializer(serializers.ModelSerializer):
    class Meta:
        model = Person
        fields = ["id", "name", "avatar"]
        read_only_fields = ["avatar"]


class PointSerializer(serializers.Serializer):
    x = serializers.FloatField()
    y = serializers.FloatField(required=False, allow_null=True)


class AssetSerializer(serializers.ModelSerializer):
    """자산.

    ```python
    client.get("/assets/1/")  # <Asset> & Vec<u8>
    ```
    """

    project_detail = ProjectSerializer(source="project", read_only=True)
    tags = serializers.ListField(child=serializers.CharField(max_length=20), required=False)
    meta = serializers.JSONField(required=False)
    corners = PointSerializer(many=True, required=False, write_only=True)
    label = serializers.SerializerMethodField()
    # Null for a project without an owner, which the document doesn't say.
    owner = PersonSerializer(source="project.owner", read_only=True)
    owner_name = serializers.CharField(source="project.owner.name", read_only=True)
    # Without a type hint, the document says that they are texts.
    annotations = serializers.SerializerMethodField()
    summary = serializers.SerializerMethodField()

    class Meta:
        model = Asset
        fields = [
            "id",
            "code",
            "project",
            "project_detail",
            "title",
            "note",
            "state",
            "verdict",
            "priority",
            "weight",
            "tags",
            "meta",
            "corners",
            "captured_at",
            "due_on",
            "password",
            "created",
            "file",
            "label",
            "owner",
            "owner_name",
            "annotations",
            "summary",
        ]
        read_only_fields = ["created", "file"]
        extra_kwargs = {"password": {"write_only": True}}

    def get_label(self, asset) -> str:
        return f"{asset.project.name}/{asset.title}"

    def get_annotations(self, asset):
        return [{"at": asset.id, "score": 1.50}]

    def get_summary(self, asset):
        return {"tags": len(asset.tags)}

    def fold(self, data):
        """Corners are kept where an answer shows them."""
        corners = data.pop("corners", None)
        if corners is not None:
            data["meta"] = {**data.get("meta", {}), "corners": [dict(corner) for corner in corners]}
        return data

    def create(self, data):
        from django.utils import timezone

        return super().create({"created": timezone.now(), **self.fold(data)})

    def update(self, asset, data):
        return super().update(asset, self.fold(data))


class AssetFileSerializer(serializers.Serializer):
    file = serializers.FileField()
    note = serializers.CharField(required=False, allow_null=True)
    labels = serializers.ListField(child=serializers.CharField(), required=False)
    scores = serializers.ListField(child=serializers.FloatField(), required=False)
    details = serializers.JSONField(required=False)
    count = serializers.IntegerField(required=False, allow_null=True)
    checked = serializers.BooleanField(required=False)
    pages = serializers.ListField(child=serializers.FileField(), required=False)


class SearchSerializer(serializers.Serializer):
    text = serializers.CharField()
    states = serializers.ListField(child=serializers.CharField(), required=False)


class PublishedSerializer(serializers.Serializer):
    job = serializers.UUIDField()
    state = serializers.ChoiceField(choices=["queued", "running"])


class PublishSerializer(serializers.Serializer):
    comment = serializers.CharField(required=False, allow_blank=True)


class DocumentSerializer(serializers.ModelSerializer):
    class Meta:
        model = Document
        fields = ["id", "name", "content"]


class ReadingSerializer(serializers.ModelSerializer):
    class Meta:
        model = Reading
        fields = ["id", "value"]


# The schema of a page is named after its items: each shape of pages needs items of its own.
class NestedReadingSerializer(ReadingSerializer):
    pass


class LinkedReadingSerializer(ReadingSerializer):
    pass


class ItemsReadingSerializer(ReadingSerializer):
    pass


class DataReadingSerializer(ReadingSerializer):
    pass


class HeadedReadingSerializer(ReadingSerializer):
    pass


class BoxSerializer(serializers.ModelSerializer):
    class Meta:
        model = Shape
        fields = ["id", "kind", "width", "height"]


class CircleSerializer(serializers.ModelSerializer):
    class Meta:
        model = Shape
        fields = ["id", "kind", "radius"]


class BareBoxSerializer(serializers.ModelSerializer):
    """As `BoxSerializer`, with the tag put in by who serves it."""

    class Meta:
        model = Shape
        fields = ["id", "width", "height"]


class BareCircleSerializer(serializers.ModelSerializer):
    class Meta:
        model = Shape
        fields = ["id", "radius"]
