"""Airflow's own answer about its version, without the rest of its API server, which takes half a minute to start.

Run by the interpreter of the airflow environment: ``python version_of_airflow.py PORT``.
"""

import sys

import uvicorn
from airflow.api_fastapi.core_api.routes.public.version import version_router
from fastapi import FastAPI

app = FastAPI()
app.include_router(version_router, prefix="/api/v2")
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
