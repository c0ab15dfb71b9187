import uuid

from django.db import models


class State(models.TextChoices):
    DRAFT = "draft", "초안"
    IN_REVIEW = "in-review", "검토 중"
    DONE = "done", "완료"


class Verdict(models.TextChoices):
    GOOD = "good", "Good"
    BAD = "bad", "Bad"


class Priority(models.IntegerChoices):
    LOW = 1, "Low"
    HIGH = 10, "High"


class Person(models.Model):
    name = models.CharField(max_length=100)
    avatar = models.FileField(upload_to="avatars", null=True, blank=True)


class Project(models.Model):
    name = models.CharField(max_length=100)
    owner = models.ForeignKey(Person, on_delete=models.SET_NULL, null=True)
    # Another enumeration with the name of one of `Asset`.
    state = models.CharField(max_length=8, choices=[("open", "Open"), ("closed", "Closed")], default="open")


class Asset(models.Model):
    code = models.UUIDField(default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="assets")
    title = models.CharField(max_length=40, help_text="자산의 이름. 자세한 것은 https://example.com/docs?a=1&b=[2] 참고.")
    note = models.TextField(null=True, blank=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.DRAFT)
    verdict = models.CharField(max_length=8, choices=Verdict.choices, null=True, blank=True)
    priority = models.IntegerField(choices=Priority.choices, default=Priority.LOW)
    weight = models.DecimalField(max_digits=20, decimal_places=10, null=True, blank=True)
    tags = models.JSONField(default=list, blank=True)
    meta = models.JSONField(default=dict, blank=True)
    captured_at = models.DateTimeField(null=True, blank=True)
    due_on = models.DateField(null=True, blank=True)
    password = models.CharField(max_length=20, blank=True)
    created = models.DateTimeField()
    file = models.FileField(upload_to="assets", null=True, blank=True)


class Reading(models.Model):
    value = models.FloatField()


class Document(models.Model):
    name = models.CharField(max_length=40)
    content = models.FileField(upload_to="documents")


class Shape(models.Model):
    """Boxes and circles, in one table."""

    kind = models.CharField(max_length=8)
    width = models.IntegerField(null=True)
    height = models.IntegerField(null=True)
    radius = models.FloatField(null=True)
