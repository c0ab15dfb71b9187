"""The content of the database."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from rest_framework.authtoken.models import Token

from .models import Asset, Person, Project, Reading, Shape

ASSETS = 25
READINGS = 40


def fill(token):
    Token.objects.create(user=User.objects.create(username="tester"), key=token)
    owner = Person.objects.create(name="Kim")
    projects = [Project.objects.create(name="거리", owner=owner), Project.objects.create(name="Plant & Co", state="closed")]
    began = datetime(2024, 1, 1, tzinfo=ZoneInfo("Asia/Seoul"))
    for number in range(1, ASSETS + 1):
        Asset.objects.create(
            project=projects[number % 2],
            title=f"asset {number}",
            # The schema doesn't know this value: the enumeration had it once, or will have it.
            state="quarantined" if number == 13 else ["draft", "in-review", "done"][number % 3],
            verdict=[None, "", "good"][number % 3],
            created=began + timedelta(days=number),
        )
    Reading.objects.bulk_create(Reading(value=number / 8) for number in range(READINGS))
    for number in range(1, 13):
        match number % 4:
            case 0:
                # The schema doesn't know this kind, either.
                Shape.objects.create(kind="torus", radius=number)
            case 1:
                Shape.objects.create(kind="box", width=number, height=2)
            case _:
                Shape.objects.create(kind="circle", radius=number / 2)
