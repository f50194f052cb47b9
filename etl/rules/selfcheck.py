import sys
from datetime import date
from etl.engines import open_engine
from etl.errors import EastboundError
from etl.packs.roots import PackRoots
from etl.rules.examples import run_examples
from etl.rules.loader import load_rules
from etl.standard import load_standard

def main():
    std, *tables = sys.argv[1:]
    try:
        s = load_standard(std)
        rules = load_rules(s, tables=set(tables) or None)
    except EastboundError as e:
        print(e.sentence("en")); raise SystemExit(2)
    with open_engine() as engine:
        engine.load_codes(s.codes.values(), date(2026, 10, 31))
        engine.set_parameters(period_start=date(2026, 10, 1), period_end=date(2026, 10, 31), report_date=date(2026, 11, 15))
        n, faults = run_examples(engine, s, rules)
    print(f"{len(rules)} rules, {n} examples, {len(faults)} faults")
    for f in faults: print(f.rule, f"{f.path}:{f.line}", f.en)
main()
