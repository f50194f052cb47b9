"""The policy registry (保单登记平台): messages, transport and the daily cycle."""
