"""The partitions of the Data Catalog's tables.

https://docs.aws.amazon.com/glue/latest/webapi/API_CreatePartition.html and its neighbours. ``Segment`` and
``TransactionId`` are refused, because they would be ignored.
"""

from localstack.aws.api import CommonServiceException, RequestContext, handler

from groundwork_aws.glue.api import LOCK, already_exists, invalid, not_found, page, refused
from groundwork_aws.glue.catalog import catalog_of, find_table, now
from groundwork_aws.glue.expression import UnsupportedExpression, partition_filter
from groundwork_aws.glue.models import CatalogTable

MOST_PER_BATCH = 100


class Partitions:
    @handler("CreatePartition", expand=False)
    def create_partition(self, context: RequestContext, request: dict) -> dict:
        with LOCK:
            add(table_of(context, request), request["PartitionInput"], context)
        return {}

    @handler("BatchCreatePartition", expand=False)
    def batch_create_partition(self, context: RequestContext, request: dict) -> dict:
        inputs = request["PartitionInputList"]
        check_batch(inputs)
        with LOCK:
            table = table_of(context, request)
            return {"Errors": each(inputs, lambda one: one.get("Values"), lambda one: add(table, one, context))}

    @handler("GetPartition", expand=False)
    def get_partition(self, context: RequestContext, request: dict) -> dict:
        return {"Partition": find(table_of(context, request), request["PartitionValues"])}

    @handler("GetPartitions", expand=False)
    def get_partitions(self, context: RequestContext, request: dict) -> dict:
        """``Expression`` is a subset of SQL's conditions on the partition keys, see ``expression.py``."""
        refused(request, "Segment", "TransactionId", "QueryAsOfTime")
        table = table_of(context, request)
        try:
            matches = partition_filter(request.get("Expression"), table.current["PartitionKeys"])
            found = [table.partitions[values] for values in sorted(table.partitions) if matches(values)]
        except UnsupportedExpression as error:
            raise invalid(str(error)) from None
        partitions, more = page(found, request, limit=1000)
        if request.get("ExcludeColumnSchema"):
            partitions = [without_columns(partition) for partition in partitions]
        return {"Partitions": partitions, **more}

    @handler("UpdatePartition", expand=False)
    def update_partition(self, context: RequestContext, request: dict) -> dict:
        with LOCK:
            table = table_of(context, request)
            known = find(table, request["PartitionValueList"])
            definition = {"Values": known["Values"], **request["PartitionInput"]}
            check_values(table, definition["Values"])
            if definition["Values"] != known["Values"] and tuple(definition["Values"]) in table.partitions:
                raise already_exists("Partition already exists.")
            del table.partitions[tuple(known["Values"])]
            add(table, definition, context, created=known["CreationTime"])
        return {}

    @handler("DeletePartition", expand=False)
    def delete_partition(self, context: RequestContext, request: dict) -> dict:
        with LOCK:
            remove(table_of(context, request), request["PartitionValues"])
        return {}

    @handler("BatchDeletePartition", expand=False)
    def batch_delete_partition(self, context: RequestContext, request: dict) -> dict:
        wanted = request["PartitionsToDelete"]
        with LOCK:
            table = table_of(context, request)
            return {"Errors": each(wanted, lambda one: one["Values"], lambda one: remove(table, one["Values"]))}


def table_of(context: RequestContext, request: dict) -> CatalogTable:
    return find_table(catalog_of(context, request), request["DatabaseName"], request["TableName"])


def find(table: CatalogTable, values: list[str]) -> dict:
    if tuple(values) not in table.partitions:
        raise not_found(f"Partition {values} of table {table.current['Name']} not found.")
    return table.partitions[tuple(values)]


def add(table: CatalogTable, definition: dict, context: RequestContext, created=None) -> None:
    values = definition.get("Values") or []
    check_values(table, values)
    if tuple(values) in table.partitions:
        raise already_exists("Partition already exists.")
    table.partitions[tuple(values)] = {
        "Parameters": {},
        **definition,
        "DatabaseName": table.current["DatabaseName"],
        "TableName": table.current["Name"],
        "CreationTime": created or now(),
        "CatalogId": context.account_id,
    }


def remove(table: CatalogTable, values: list[str]) -> None:
    find(table, values)
    del table.partitions[tuple(values)]


def each(inputs: list[dict], values_of, action) -> list[dict]:
    """Do it for each; the answer's Errors name those for which it failed."""
    errors = []
    for one in inputs:
        try:
            action(one)
        except CommonServiceException as error:
            detail = {"ErrorCode": error.code, "ErrorMessage": error.message}
            errors.append({"PartitionValues": values_of(one) or [], "ErrorDetail": detail})
    return errors


def check_values(table: CatalogTable, values: list[str]) -> None:
    keys = table.current["PartitionKeys"]
    if len(values) != len(keys):
        raise invalid(
            f"The number of partition keys do not match the number of partition values: "
            f"table {table.current['Name']} has {len(keys)} keys, {len(values)} values were given"
        )


def check_batch(inputs: list[dict]) -> None:
    if len(inputs) > MOST_PER_BATCH:
        raise invalid(f"A batch has at most {MOST_PER_BATCH} partitions, not {len(inputs)}")


def without_columns(partition: dict) -> dict:
    storage = {key: value for key, value in partition.get("StorageDescriptor", {}).items() if key != "Columns"}
    return {**partition, "StorageDescriptor": storage}
