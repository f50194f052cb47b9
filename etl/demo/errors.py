"""What can go wrong when a demo insurer is made or repaired."""

from __future__ import annotations

from etl.errors import EastboundError


class TooFewPolicies(EastboundError):
    zh = "演示保险公司至少需要 {least} 张保单，给出的是 {given}"
    en = "a demo insurer needs at least {least} policies; {given} were asked for"


class DemoUrlMissing(EastboundError):
    zh = "演示保险公司缺少系统 {missing} 的数据库地址"
    en = "the demo insurer needs a database URL for {missing}"


class DemoTruthMissing(EastboundError):
    zh = "种植差错需要一个保存真值（faults.csv）的目录"
    en = "planting faults needs a folder for the truth (faults.csv)"


class DemoTruthUnread(EastboundError):
    zh = "没有 {file}：该演示保险公司未注入差错；可用 eastbound demo init --faults 0.02 重新建立"
    en = "there is no {file}: nothing was planted in this demo insurer; make it again with eastbound demo init --faults 0.02"


class FaultHasNoRow(EastboundError):
    zh = "没有可供种植差错 {fault} 的行；请增加保单数"
    en = "no row is left for the fault {fault}; ask for more policies"


class RepairMismatch(EastboundError):
    zh = "修复失败：{system}.{table} 中找不到被改动的行；数据库在种植差错后又被改动过"
    en = "repair failed: a changed row of {system}.{table} is gone; the database was changed after the faults were planted"
