"""IAM's CloudFormation type that LocalStack lacks, on top of LocalStack's own IAM, which enforces nothing."""

from groundwork_aws.cloudformation.resource import Resource, picked, plugin


class OidcProvider(Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-iam-oidcprovider.html"""

    TYPE = "AWS::IAM::OIDCProvider"
    SERVICE = "iam"
    RECORDED = frozenset({"ClientIdList", "Tags", "ThumbprintList", "Url"})

    def create_resource(self, client, model, request):
        # IAM reads the thumbprint of a provider with a certificate of a known authority by itself.
        wanted = {"ThumbprintList": [], **picked(model, ("Tags", "ThumbprintList", "Url"))}
        answer = client.create_open_id_connect_provider(ClientIDList=model.get("ClientIdList", []), **wanted)
        return {"Arn": answer["OpenIDConnectProviderArn"]}

    def delete_resource(self, client, model):
        client.delete_open_id_connect_provider(OpenIDConnectProviderArn=model["Arn"])


OidcProviderPlugin = plugin(OidcProvider)
