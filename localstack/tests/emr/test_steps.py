"""Steps: order, endings, failures and their reasons, cancellation, logs."""


def test_EMR_C_01_a_command_runner_step_runs_its_arguments_unsplit_and_logs_to_s3(clusters):
    cluster = clusters.run(clusters.step("bash", "-c", 'echo "$1"; echo quiet >&2', "bash", "a  b; c"))
    (step,) = clusters.ended_steps(cluster)
    assert step["Status"]["State"] == "COMPLETED", step
    assert clusters.log(cluster, step, "stdout") == "a  b; c\n"
    assert clusters.log(cluster, step, "stderr") == "quiet\n"
    assert clusters.log(cluster, step, "syslog") == ""
    assert "Step COMPLETED" in clusters.log(cluster, step, "controller")
