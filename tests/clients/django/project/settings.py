import os

SECRET_KEY = "not a secret: no pages are served"
INSTALLED_APPS = ["infra"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"

# [databases]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["PGHOST"],
        "PORT": os.environ["PGPORT"],
        "USER": os.environ["PGUSER"],
        "NAME": os.environ["PGDATABASE"],
    }
}
# [/databases]
