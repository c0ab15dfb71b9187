"""A Django project with a document by drf-spectacular, as a real backend for the generated client.

    backend.py schema         prints the OpenAPI document, as `manage.py spectacular` emits it by default
    backend.py serve FOLDER   serves on a free port, prints its URL in one line, and ends when its stdin closes
"""

import sys
from pathlib import Path
from threading import Thread

import django
from django.conf import settings

TOKEN = "a-token-of-the-django-test"


def configure(folder):
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": Path(folder) / "db.sqlite3",
                "OPTIONS": {"timeout": 30, "transaction_mode": "IMMEDIATE"},
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django_filters",
            "rest_framework",
            "rest_framework.authtoken",
            "drf_spectacular",
            "catalog",
        ],
        MEDIA_ROOT=Path(folder) / "media",
        MEDIA_URL="/media/",
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"],
            "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
            "DEFAULT_PAGINATION_CLASS": "catalog.pages.Numbered",
            "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
            "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
        },
        ROOT_URLCONF="catalog.urls",
        SECRET_KEY="of the test",
        SPECTACULAR_SETTINGS={"TITLE": "Catalog", "VERSION": "1.0.0"},
        TIME_ZONE="Asia/Seoul",
        USE_TZ=True,
    )
    django.setup()


def serve():
    from django.core.handlers.wsgi import WSGIHandler
    from django.core.management import call_command
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

    from catalog import rows

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_):
            pass

    call_command("migrate", run_syncdb=True, verbosity=0)
    rows.fill(TOKEN)
    server = ThreadedWSGIServer(("127.0.0.1", 0), Quiet)
    server.set_app(WSGIHandler())
    Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port} {TOKEN}", flush=True)
    sys.stdin.read()
    server.shutdown()


def main(arguments):
    match arguments:
        case ["schema"]:
            configure(".")
            from django.core.management import call_command

            call_command("spectacular", format="openapi-json")
        case ["serve", folder]:
            configure(folder)
            serve()
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
