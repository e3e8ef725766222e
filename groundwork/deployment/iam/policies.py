"""Whether policies allow a request, as IAM decides it within one account.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html

Not known, and refused: NotPrincipal. Not looked at: permissions boundaries, session policies, organizations' policies.
"""

from dataclasses import dataclass, field
from enum import Enum

from groundwork.deployment.iam.conditions import Context, UnknownElement, as_list, holds, matches, substituted

ELEMENTS = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "Condition"}
# Without a word in the resource's own policy nobody may use it: identity policies count where it names the account.
# https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_terms-and-concepts.html#term_trust-policy
OWN_POLICY_DECIDES = ("kms:", "sts:")


@dataclass(frozen=True)
class Request:
    """``principal`` is a role's ARN or a service's principal; ``action`` is ``s3:GetObject``, ``resource`` an ARN."""

    principal: str
    action: str
    resource: str
    context: Context = field(default_factory=dict, hash=False, compare=False)


class Grant(Enum):
    """What a resource's policy says about a principal."""

    NONE = 0
    ACCOUNT = 1  # the account is named: its identity policies decide
    PRINCIPAL = 2


@dataclass(frozen=True)
class Statement:
    """A statement, with the policy that it stands in and its number there."""

    policy: str
    number: int
    body: dict = field(hash=False, compare=False)

    @property
    def name(self) -> str:
        return f"{self.policy}[{self.body.get('Sid', self.number)}]"

    @property
    def denies(self) -> bool:
        return self.body["Effect"] == "Deny"

    def applies(self, request: Request) -> bool:
        """Whether action, resource and conditions are those of the request. Raises UnknownElement."""
        return (
            self.covers("Action", request.action.lower())
            and self.covers("Resource", request.resource, request.context)
            and holds(self.body.get("Condition", {}), request.context)
        )

    def covers(self, element: str, text: str, context: Context | None = None) -> bool:
        """Whether ``Action`` or ``Resource``, or their opposites, take in the text. A trust policy has no Resource."""
        if f"Not{element}" in self.body:
            return not self.matching(f"Not{element}", text, context)
        return element not in self.body or bool(self.matching(element, text, context))

    def matching(self, element: str, text: str, context: Context | None = None) -> list[str]:
        """The patterns of an element that match; actions are compared without regard to case."""
        given = {key.lower(): value for key, value in (context or {}).items()}
        patterns = {p: p.lower() if "Action" in element else substituted(p, given) for p in as_list(self.body[element])}
        return [p for p, pattern in patterns.items() if pattern is not None and matches(pattern, text)]

    def grant(self, principal: str) -> Grant:
        named = self.body.get("Principal", {})
        if named == "*" or "*" in as_list(named.get("AWS", [])):
            return Grant.PRINCIPAL
        account = principal.split(":")[4] if principal.startswith("arn:") else None
        if principal in (as_list(named.get("AWS", [])) if account else as_list(named.get("Service", []))):
            return Grant.PRINCIPAL
        of_account = {account, f"arn:aws:iam::{account}:root"}
        return Grant.ACCOUNT if account and of_account & set(as_list(named.get("AWS", []))) else Grant.NONE


@dataclass(frozen=True)
class Decision:
    """``statements`` are those that allowed it, or those that denied it; none when nothing allowed it."""

    allowed: bool
    reason: str
    statements: tuple[Statement, ...] = ()


def statements_of(policy: str, document: dict) -> list[Statement]:
    """Raises UnknownElement for an element that is not evaluated here."""
    statements = [Statement(policy, number, body) for number, body in enumerate(as_list(document["Statement"]))]
    for statement in statements:
        if unknown := set(statement.body) - ELEMENTS:
            raise UnknownElement(f"{statement.name} has {', '.join(sorted(unknown))}, which is not evaluated here")
    return statements


def decide(request: Request, identity: list[Statement], resource: list[Statement] | None = None) -> Decision:
    """Decide by the principal's policies and the resource's own: an explicit Deny first, then what allows it."""
    of_principal = [s for s in identity if s.applies(request)]
    of_resource = [
        (s, grant) for s in resource or [] if (grant := s.grant(request.principal)) != Grant.NONE and s.applies(request)
    ]
    denials = [s for s in (*of_principal, *(s for s, _ in of_resource)) if s.denies]
    if denials:
        return Decision(False, "an explicit deny", tuple(denials))
    direct = [s for s, grant in of_resource if grant == Grant.PRINCIPAL]
    if direct:
        return Decision(True, "the resource's policy", (*direct, *of_principal))
    if request.action.startswith(OWN_POLICY_DECIDES) and not of_resource:
        return Decision(False, "the resource's own policy names neither the principal nor the account")
    if of_principal:
        return Decision(True, "the principal's policy", tuple(of_principal))
    return Decision(False, "no statement allows it")
