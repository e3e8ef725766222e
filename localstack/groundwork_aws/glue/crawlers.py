"""The crawlers' API: definitions, schedules, starting and stopping, history.

https://docs.aws.amazon.com/glue/latest/webapi/API_CreateCrawler.html and its neighbours. S3 targets and native Delta
targets are crawled; every other kind is refused, as are CRAWL_EVENT_MODE, VPC connections, lineage and Lake Formation.
``CrawlerSecurityConfiguration`` is kept and answered, nothing is encrypted by it. CRAWL_NEW_FOLDERS_ONLY adds new
folders only, but looks at all of them.
"""

from statistics import median
from threading import Thread

from localstack.aws.api import CommonServiceException, RequestContext, handler

from groundwork_aws.glue.api import LOCK, already_exists, invalid, not_found, page, refused, store_of
from groundwork_aws.glue.catalog import arn, now
from groundwork_aws.glue.definitions import check_definition, check_role, short_role, with_defaults
from groundwork_aws.glue.models import Crawler, GlueStore
from groundwork_aws.glue.runs import abandon, begin, execute
from groundwork_aws.glue.schedule import InvalidSchedule, Schedule, Timetable
from groundwork_aws.identity.roles import role_clients

FIELDS = (
    "Role", "DatabaseName", "Description", "Targets", "Classifiers", "TablePrefix", "SchemaChangePolicy",
    "RecrawlPolicy", "LineageConfiguration", "Configuration", "CrawlerSecurityConfiguration",
)  # fmt: skip


class Crawlers:
    def __init__(self) -> None:
        self.timetable = Timetable(now)

    # --- definitions ---

    @handler("CreateCrawler", expand=False)
    def create_crawler(self, context: RequestContext, request: dict) -> dict:
        store, name = store_of(context), request["Name"]
        created = now()
        given = {field: request[field] for field in FIELDS if field in request}
        fixed = {"Name": name, "CreationTime": created, "LastUpdated": created, "Version": 1}
        definition = with_defaults({**given, **fixed})
        self.check(context, definition, request)
        schedule = parsed(request.get("Schedule"))
        with LOCK:
            if name in store.crawlers:
                raise already_exists(f"Crawler with name {name} already exists")
            store.crawlers[name] = Crawler({**definition, "Role": short_role(definition["Role"])})
            self.reschedule(context, name, request.get("Schedule"), schedule)
        if request.get("Tags"):
            store.tags.update_tags(arn(context, "crawler", name), request["Tags"])
        return {}

    @handler("UpdateCrawler", expand=False)
    def update_crawler(self, context: RequestContext, request: dict) -> dict:
        """Changes what is given; an empty ``Schedule`` takes the schedule away."""
        store, name = store_of(context), request["Name"]
        schedule = parsed(request.get("Schedule"))
        with LOCK:
            crawler = find_crawler(store, name)
            check_idle(crawler)
            changes = {field: request[field] for field in FIELDS if field in request}
            definition = with_defaults({**crawler.definition, **changes})
            self.check(context, definition, request)
            definition |= {"LastUpdated": now(), "Version": definition["Version"] + 1}
            crawler.definition = {**definition, "Role": short_role(definition["Role"])}
            if "Schedule" in request:
                self.reschedule(context, name, request["Schedule"], schedule)
        return {}

    @handler("DeleteCrawler", expand=False)
    def delete_crawler(self, context: RequestContext, request: dict) -> dict:
        store, name = store_of(context), request["Name"]
        with LOCK:
            check_idle(find_crawler(store, name))
            del store.crawlers[name]
            self.timetable.remove(timetable_key(context, name))
            store.tags.delete_all_tags(arn(context, "crawler", name))
        return {}

    @handler("GetCrawler", expand=False)
    def get_crawler(self, context: RequestContext, request: dict) -> dict:
        return {"Crawler": described(find_crawler(store_of(context), request["Name"]))}

    @handler("GetCrawlers", expand=False)
    def get_crawlers(self, context: RequestContext, request: dict) -> dict:
        crawlers = store_of(context).crawlers
        names, more = page(sorted(crawlers), request)
        return {"Crawlers": [described(crawlers[name]) for name in names], **more}

    @handler("ListCrawlers", expand=False)
    def list_crawlers(self, context: RequestContext, request: dict) -> dict:
        store, wanted = store_of(context), (request.get("Tags") or {}).items()
        names = [n for n in sorted(store.crawlers) if wanted <= store.tags.get_tags(arn(context, "crawler", n)).items()]
        found, more = page(names, request)
        return {"CrawlerNames": found, **more}

    @handler("BatchGetCrawlers", expand=False)
    def batch_get_crawlers(self, context: RequestContext, request: dict) -> dict:
        crawlers, names = store_of(context).crawlers, request["CrawlerNames"]
        return {
            "Crawlers": [described(crawlers[name]) for name in names if name in crawlers],
            "CrawlersNotFound": [name for name in names if name not in crawlers],
        }

    def check(self, context: RequestContext, definition: dict, request: dict) -> None:
        refused(request.get("LakeFormationConfiguration") or {}, "UseLakeFormationCredentials")
        check_definition(definition)
        if "Role" in request:
            check_role(context, definition["Role"])

    # --- running ---

    @handler("StartCrawler", expand=False)
    def start_crawler(self, context: RequestContext, request: dict) -> dict:
        """RUNNING is visible before this returns."""
        self.start(context.account_id, context.region, find_crawler(store_of(context), request["Name"]))
        return {}

    def start(self, account: str, region: str, crawler: Crawler) -> None:
        role, name = crawler.definition["Role"], crawler.definition["Name"]
        source = f"arn:aws:glue:{region}:{account}:crawler/{name}"
        clients = role_clients(f"arn:aws:iam::{account}:role/{role}", "glue", region, source)
        with LOCK:
            if crawler.state != "READY":
                raise running(crawler)
            crawl = begin(crawler)
        Thread(target=execute, args=(clients, crawler, crawl), name=f"glue-crawl-{name}", daemon=True).start()

    @handler("StopCrawler", expand=False)
    def stop_crawler(self, context: RequestContext, request: dict) -> dict:
        crawler, name = find_crawler(store_of(context), request["Name"]), request["Name"]
        with LOCK:
            if crawler.state == "READY":
                raise CommonServiceException("CrawlerNotRunningException", f"Crawler with name {name} isn't running")
            if crawler.state == "STOPPING":
                raise CommonServiceException("CrawlerStoppingException", f"Crawler with name {name} is stopping")
            crawler.state = "STOPPING"
            crawler.stop_requested.set()
        return {}

    @handler("GetCrawlerMetrics", expand=False)
    def get_crawler_metrics(self, context: RequestContext, request: dict) -> dict:
        """Of each crawler's last finished crawl, and the median runtime of all."""
        crawlers = store_of(context).crawlers
        wanted = request.get("CrawlerNameList") or sorted(crawlers)
        names, more = page([name for name in wanted if name in crawlers], request)
        return {"CrawlerMetricsList": [metrics(crawlers[name]) for name in names], **more}

    @handler("ListCrawls", expand=False)
    def list_crawls(self, context: RequestContext, request: dict) -> dict:
        """The newest first; ``Filters`` is refused."""
        refused(request, "Filters")
        crawler = find_crawler(store_of(context), request["CrawlerName"])
        found, more = page([crawl.described() for crawl in reversed(crawler.crawls)], request)
        return {"Crawls": found, **more}

    # --- schedules ---

    @handler("UpdateCrawlerSchedule", expand=False)
    def update_crawler_schedule(self, context: RequestContext, request: dict) -> dict:
        find_crawler(store_of(context), request["CrawlerName"])
        expression = request.get("Schedule")
        with LOCK:
            self.reschedule(context, request["CrawlerName"], expression, parsed(expression))
        return {}

    @handler("StartCrawlerSchedule", expand=False)
    def start_crawler_schedule(self, context: RequestContext, request: dict) -> dict:
        with LOCK:
            expression, state = schedule_of(store_of(context), request["CrawlerName"])
            if state == "SCHEDULED":
                raise CommonServiceException("SchedulerRunningException", "The schedule is running already")
            self.reschedule(context, request["CrawlerName"], expression, parsed(expression))
        return {}

    @handler("StopCrawlerSchedule", expand=False)
    def stop_crawler_schedule(self, context: RequestContext, request: dict) -> dict:
        with LOCK:
            _, state = schedule_of(store_of(context), request["CrawlerName"])
            if state != "SCHEDULED":
                raise CommonServiceException("SchedulerNotRunningException", "The schedule is not running")
            self.timetable.remove(timetable_key(context, request["CrawlerName"]))
            find_crawler(store_of(context), request["CrawlerName"]).definition["Schedule"]["State"] = "NOT_SCHEDULED"
        return {}

    def reschedule(self, context: RequestContext, name: str, expression: str | None, schedule: Schedule | None) -> None:
        definition = store_of(context).crawlers[name].definition
        if schedule is None:
            definition.pop("Schedule", None)
            self.timetable.remove(timetable_key(context, name))
        else:
            definition["Schedule"] = {"ScheduleExpression": expression, "State": "SCHEDULED"}
            self.timetable.put(timetable_key(context, name), schedule)

    def take_up(self, key: tuple[str, str, str], crawler: Crawler) -> None:
        """After a restart: a crawl that was under way has ended with LocalStack, the schedule goes on."""
        abandon(crawler)
        schedule = crawler.definition.get("Schedule", {})
        if schedule.get("State") == "SCHEDULED":
            self.timetable.put(key, Schedule(schedule["ScheduleExpression"]))


def timetable_key(context: RequestContext, name: str) -> tuple[str, str, str]:
    return context.account_id, context.region, name


def parsed(expression: str | None) -> Schedule | None:
    try:
        return Schedule(expression) if expression else None
    except InvalidSchedule as error:
        raise invalid(f"Invalid schedule {error}") from None


def schedule_of(store: GlueStore, name: str) -> tuple[str, str]:
    schedule = find_crawler(store, name).definition.get("Schedule")
    if schedule is None:
        raise CommonServiceException("NoScheduleException", f"Crawler with name {name} has no schedule")
    return schedule["ScheduleExpression"], schedule["State"]


def find_crawler(store: GlueStore, name: str) -> Crawler:
    if name not in store.crawlers:
        raise not_found(f"Crawler with name {name} does not exist")
    return store.crawlers[name]


def check_idle(crawler: Crawler) -> None:
    if crawler.state != "READY":
        raise running(crawler)


def running(crawler: Crawler) -> CommonServiceException:
    message = f"Crawler with name {crawler.definition['Name']} has already started"
    return CommonServiceException("CrawlerRunningException", message)


def described(crawler: Crawler) -> dict:
    """A crawler as GetCrawler answers it."""
    last = crawler.last_finished
    return {
        **crawler.definition,
        "State": crawler.state,
        "CrawlElapsedTime": round(crawler.crawls[-1].elapsed() * 1000) if crawler.state != "READY" else 0,
        **({"LastCrawl": last.as_last_crawl()} if last else {}),
    }


def metrics(crawler: Crawler) -> dict:
    finished = [crawl.elapsed() for crawl in crawler.crawls if crawl.ended]
    typical = median(finished) if finished else 0.0
    last = crawler.last_finished
    left = max(typical - crawler.crawls[-1].elapsed(), 0.0) if crawler.state == "RUNNING" else 0.0
    return {
        "CrawlerName": crawler.definition["Name"],
        "TimeLeftSeconds": left,
        "StillEstimating": crawler.state == "RUNNING" and not finished,
        "LastRuntimeSeconds": finished[-1] if finished else 0.0,
        "MedianRuntimeSeconds": typical,
        "TablesCreated": len(last.outcome.created) if last else 0,
        "TablesUpdated": len(last.outcome.updated) if last else 0,
        "TablesDeleted": len(last.outcome.deleted) if last else 0,
    }
