"""What this platform's one EMR release has, and what a cluster may ask of it."""


class Refused(Exception):
    """The cluster asks for something that does not run here; the text says what does."""


def check(request: dict, health: dict) -> None:
    """Compare RunJobFlow's ReleaseLabel and Applications with what the controller runs. Raises Refused."""
    available = health["release_label"]
    if request["ReleaseLabel"] != available:
        raise Refused(
            f"The supplied release label is invalid: {request['ReleaseLabel']}. "
            f"The instance controller here runs {available}; another release has other versions of Spark and Delta."
        )
    known = {name.lower() for name in health["applications"]}
    unknown = [a["Name"] for a in request.get("Applications", []) if a["Name"].lower() not in known]
    if unknown:
        raise Refused(f"{', '.join(unknown)}: this platform runs only {', '.join(health['applications'])}.")


def applications(request: dict, health: dict) -> dict[str, str]:
    """The applications asked for, with the versions that run."""
    wanted = {a["Name"].lower() for a in request.get("Applications", [])}
    return {name: version for name, version in health["applications"].items() if name.lower() in wanted}


def spark_arguments(configurations: list[dict]) -> list[str]:
    """What the cluster's ``spark-defaults`` adds to each spark-submit, before the step's own arguments, which win."""
    properties = {}
    for configuration in configurations:
        if configuration["Classification"] == "spark-defaults":
            properties.update(configuration.get("Properties", {}))
    return [word for name, value in properties.items() for word in ("--conf", f"{name}={value}")]


def environment(configurations: list[dict]) -> dict[str, str]:
    """The variables that ``spark-env``'s ``export`` sets."""
    variables = {}
    for configuration in configurations:
        if configuration["Classification"] == "spark-env":
            for nested in configuration.get("Configurations", []):
                variables.update(nested.get("Properties", {}))
    return variables
