"""DMS, EMR, Glue, Athena and Redshift that really execute, as a plug-in of LocalStack.

One folder per service, the same file names in each: ``provider.py`` (the API), ``models.py`` (its state),
``resources.py`` (its CloudFormation types) and the engine that does the work, named after what it does. Engines
import nothing of LocalStack, so they outlive it.
"""
