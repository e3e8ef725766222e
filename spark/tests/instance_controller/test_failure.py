"""What a step's logs say about why it failed."""

import pytest
from instance_controller.failure import explain

TRACEBACK = 'Traceback (most recent call last):\n  File "job.py", line 3, in <module>\n    main()\n    ~~~~^^\n'
PY4J = (
    "py4j.protocol.Py4JJavaError: An error occurred while calling o63.save.\n"
    ": org.apache.spark.SparkException: Job aborted.\n\tat org.apache.spark.Nowhere\n"
)


@pytest.mark.parametrize(
    "stderr, message",
    [
        (TRACEBACK + "ValueError: no such month: 13\n", "ValueError: no such month: 13"),
        (TRACEBACK + "KeyError: 'a'\n\nDuring handling …\n\n" + TRACEBACK + "OSError: b\n", "OSError: b"),
        (
            TRACEBACK + PY4J + "Caused by: a.B: c\n\tat x\nCaused by: java.io.IOException: disk\n",
            "java.io.IOException: disk",
        ),
        (TRACEBACK + PY4J, "org.apache.spark.SparkException: Job aborted."),
        ('Exception in thread "main" java.lang.Error: no\n\tat x\n', "java.lang.Error: no"),
    ],
    ids=["python", "the last of two", "innermost cause in Java", "Java without a cause", "Java alone"],
)
def test_EMR_S_04_the_message_is_the_line_of_the_exception(stderr, message):
    noise = "26/11/22 14:00:00 WARN Shutdown: bye\n"
    assert explain(1, {"stderr": stderr + noise, "stdout": "rows: 1\n"})["Message"] == message


def test_EMR_S_04_an_exception_in_stdout_is_found_and_the_log_named():
    found = explain(1, {"stderr": "WARNING: Using incubator modules: x\n", "stdout": TRACEBACK + "KeyError: 'a'\n"})
    assert (found["Message"], found["Log"]) == ("KeyError: 'a'", "stdout")


@pytest.mark.parametrize(
    "exit_code, outputs, message",
    [
        (2, {"stderr": "usage\nno month\n", "stdout": ""}, "exit code 2; the last line of its stderr: no month"),
        (3, {"stderr": "", "stdout": ""}, "exit code 3."),
        (137, {"stderr": "", "stdout": ""}, "killed by signal 9 (SIGKILL)."),
    ],
)  # fmt: skip
def test_EMR_S_04_without_an_exception_the_message_is_how_the_process_ended(exit_code, outputs, message):
    assert message in explain(exit_code, outputs)["Message"]


def test_EMR_S_04_the_reason_is_unknown_unless_the_cause_is_one_that_emr_names():
    exists = TRACEBACK + "pyspark.errors.exceptions.captured.AnalysisException: [PATH_ALREADY_EXISTS] Path s3://b/t …\n"
    assert explain(1, {"stderr": exists})["Reason"] == "Output directory already exists."
    assert explain(1, {"stderr": "no\n"})["Reason"] == "Unknown Error"
