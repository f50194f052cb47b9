"""Who the insurer deals with in asset management and pensions: banks as custodians, asset managers, the insurer's own group."""

from __future__ import annotations

from etl.demo.organisation import COMPANY

CUSTODIANS = ("中国工商银行股份有限公司", "中国建设银行股份有限公司", "中国银行股份有限公司", "招商银行股份有限公司", "交通银行股份有限公司")
CUSTODIAN_LICENCES = ("TG-0001", "TG-0002", "TG-0003", "TG-0005", "TG-0007")
OWN_MANAGER = "东岸资产管理有限公司"
OWN_ESTATES = "东岸不动产投资管理有限公司"
OWN_BROKER = "东岸证券有限责任公司"
OUTSIDE_MANAGERS = ("海晏基金管理有限公司", "明德资产管理有限公司", "恒川基金管理股份有限公司")
# Registered at: county code; related companies first, so that both systems that name them draw the same credit codes.
REGISTERED = {OWN_MANAGER: "310115", OWN_ESTATES: "310106", OWN_BROKER: "310104", OUTSIDE_MANAGERS[0]: "310115", OUTSIDE_MANAGERS[1]: "440304",
              OUTSIDE_MANAGERS[2]: "110102"}
PENSION_MANAGERS = (COMPANY, *OUTSIDE_MANAGERS)


def credit_codes_of(seed: int) -> dict[str, str]:
    """The unified social credit code of every company named here."""
    from etl.demo import identity
    from etl.demo.columns import stream

    return dict(zip(REGISTERED, identity.credit_codes(stream(seed, "market"), "91", list(REGISTERED.values()))))
