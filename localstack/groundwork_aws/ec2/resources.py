"""The network's CloudFormation types that LocalStack lacks, on top of LocalStack's own EC2, which filters no packet."""

from localstack.services.cloudformation.resource_provider import ResourceRequest

from groundwork_aws.cloudformation.resource import Refused, Resource, picked, plugin


class SecurityGroupIngress(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-ec2-securitygroupingress.html"""

    TYPE = "AWS::EC2::SecurityGroupIngress"
    SERVICE = "ec2"
    HONOURED = frozenset(
        {"CidrIp", "Description", "FromPort", "GroupId", "IpProtocol", "SourceSecurityGroupId", "ToPort"}
    )
    PEER = "SourceSecurityGroupId"

    def create_resource(self, client, model, request):
        answer = client.authorize_security_group_ingress(GroupId=model["GroupId"], IpPermissions=[self.rule(model)])
        return {"Id": answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]}

    def delete_resource(self, client, model):
        client.revoke_security_group_ingress(GroupId=model["GroupId"], IpPermissions=[self.rule(model)])

    def rule(self, model: dict) -> dict:
        description = picked(model, ["Description"])
        rule = picked(model, ("FromPort", "IpProtocol", "ToPort"))
        if self.PEER in model:
            rule["UserIdGroupPairs"] = [{"GroupId": model[self.PEER], **description}]
        if "CidrIp" in model:
            rule["IpRanges"] = [{"CidrIp": model["CidrIp"], **description}]
        return rule


class SecurityGroupEgress(SecurityGroupIngress):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-ec2-securitygroupegress.html"""

    TYPE = "AWS::EC2::SecurityGroupEgress"
    HONOURED = frozenset(
        {"CidrIp", "Description", "DestinationSecurityGroupId", "FromPort", "GroupId", "IpProtocol", "ToPort"}
    )
    PEER = "DestinationSecurityGroupId"

    def create_resource(self, client, model, request):
        answer = client.authorize_security_group_egress(GroupId=model["GroupId"], IpPermissions=[self.rule(model)])
        return {"Id": answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]}

    def delete_resource(self, client, model):
        client.revoke_security_group_egress(GroupId=model["GroupId"], IpPermissions=[self.rule(model)])


class FlowLog(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-ec2-flowlog.html

    Nothing is ever written to the log: there are no packets.
    """

    TYPE = "AWS::EC2::FlowLog"
    SERVICE = "ec2"
    RECORDED = frozenset({
        "DeliverLogsPermissionArn", "LogDestination", "LogDestinationType", "LogFormat", "LogGroupName",
        "MaxAggregationInterval", "ResourceId", "ResourceType", "Tags", "TrafficType",
    })  # fmt: skip

    def create_resource(self, client, model: dict, request: ResourceRequest) -> dict:
        wanted = picked(model, self.RECORDED - {"ResourceId", "Tags"})
        if "Tags" in model:
            wanted["TagSpecifications"] = [{"ResourceType": "vpc-flow-log", "Tags": model["Tags"]}]
        answer = client.create_flow_logs(ResourceIds=[model["ResourceId"]], **wanted)
        for failed in answer["Unsuccessful"]:
            raise Refused(failed["Error"]["Message"])
        return {"Id": answer["FlowLogIds"][0]}

    def update_resource(self, client, model, previous, request):
        gone = [tag for tag in previous.get("Tags", []) if tag not in model.get("Tags", [])]
        if gone:
            client.delete_tags(Resources=[model["Id"]], Tags=gone)
        if model.get("Tags"):
            client.create_tags(Resources=[model["Id"]], Tags=model["Tags"])
        return {}

    def delete_resource(self, client, model):
        client.delete_flow_logs(FlowLogIds=[model["Id"]])


class ElasticIp(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-ec2-eip.html"""

    TYPE = "AWS::EC2::EIP"
    SERVICE = "ec2"
    RECORDED = frozenset({"Domain", "Tags"})

    def create_resource(self, client, model, request):
        tags = [{"ResourceType": "elastic-ip", "Tags": model["Tags"]}] if "Tags" in model else []
        answer = client.allocate_address(Domain=model.get("Domain", "vpc"), TagSpecifications=tags)
        return picked(answer, ("AllocationId", "PublicIp"))

    def delete_resource(self, client, model):
        client.release_address(AllocationId=model["AllocationId"])


SecurityGroupIngressPlugin = plugin(SecurityGroupIngress)
SecurityGroupEgressPlugin = plugin(SecurityGroupEgress)
FlowLogPlugin = plugin(FlowLog)
ElasticIpPlugin = plugin(ElasticIp)
