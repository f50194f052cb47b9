"""The stand-in's inside: takes notifications, judges zips behind the caller's back, answers questions, reconciles."""

from __future__ import annotations

import hashlib
import io
import json
import re
import sqlite3
import zipfile
from decimal import Decimal, InvalidOperation
from pathlib import Path

from etl.demo.platform.faults import Faults
from etl.demo.platform.store import Store
from etl.demo.platform.tables import Column
from etl.demo.platform.validate import NAME, Contents, Unacceptable, open_zip

OK, ALL_FAILED, PART_FAILED, DIFFERS = "0000", "05050100", "05050200", "02100314"
BUSY = ("05160000", "05160314")
CHECK_BUSY = ("02100306", "02100100")
UPLOADS = {"HisUpload": "HIS", "IncUpload": "INC", "FaiUpload": "FAI", "DetailUpload": "DET"}
QUERIES = {"IncResultQuery": ("INC", "HIS"), "FaiResultQuery": ("FAI",), "DetailResultUpload": ("DET",)}


class Desk:
    """`patience`: how many times a question is answered with 'in progress' before the result is told."""

    def __init__(self, folder: Path, store: Store, tables: dict[str, tuple[Column, ...]], company: str, *, patience: int = 1) -> None:
        self.folder, self.store, self.tables, self.company, self.patience = Path(folder), store, tables, company, patience
        self.faults = Faults(self.folder, store)

    # -- requests: a dict of texts in, a dict of texts out

    def answer(self, kind: str, body: dict) -> dict:
        """The reply to one message; `Items` holds the figures of a SummaryCheck."""
        self.store.count(f"request {kind}")
        if kind in UPLOADS:
            return self.upload(UPLOADS[kind], body)
        if kind in QUERIES:
            return self.query(QUERIES[kind], body.get("QueryNo", ""))
        if kind == "SummaryCheck":
            return self.check(body)
        if kind == "SummaryCheckResultQuery":
            return self.check_result(body.get("QueryNo", ""))
        return {"Status": "STANDIN-TYPE"}

    def upload(self, kind: str, body: dict) -> dict:
        batch_no, name, day = body.get("BatchNo", ""), body.get("FileName", ""), body.get("TransDate", "")
        parts = NAME.fullmatch(name)
        if parts is None or parts[2] != batch_no or parts[5] != kind or parts[3] != self.company or not re.fullmatch(r"\d{8}", day):
            return {"Status": "STANDIN-NAME"}
        known = self.store.one("SELECT * FROM batches WHERE batch_no = ?", batch_no)
        if known is not None:
            self.store.count("notified again")
            same = known["md5"] == body.get("FileMD5No", "").lower()
            return {"Status": OK, "QueryNo": known["query_no"]} if same else {"Status": "STANDIN-BATCH"}
        file = self.folder / "files" / "inbox" / name
        if not file.is_file():
            return {"Status": "STANDIN-FILE"}
        data = file.read_bytes()
        if hashlib.md5(data, usedforsecurity=False).hexdigest() != body.get("FileMD5No", "").lower():
            return {"Status": "STANDIN-MD5"}
        kept = self.folder / "kept"
        kept.mkdir(exist_ok=True)
        (kept / name).write_bytes(data)
        query_no = f"Q{hashlib.sha256(batch_no.encode()).hexdigest()[:20].upper()}"
        self.store.run("INSERT INTO batches (batch_no, kind, day, told, file, md5, query_no) VALUES (?, ?, ?, ?, ?, ?, ?)",
                       batch_no, kind, f"{day[:4]}-{day[4:6]}-{day[6:]}", int(body.get("TransCount") or 0), name, body["FileMD5No"].lower(), query_no)
        return {"Status": OK, "QueryNo": query_no}

    def query(self, kinds: tuple[str, ...], query_no: str) -> dict:
        batch = self.store.one("SELECT * FROM batches WHERE query_no = ?", query_no)
        if batch is None or batch["kind"] not in kinds:
            return {"Status": "STANDIN-QUERY"}
        self.store.run("UPDATE batches SET asked = asked + 1 WHERE query_no = ?", query_no)
        if batch["status"] is None or batch["asked"] < self.patience:
            return {"Status": BUSY[batch["asked"] % 2], "QueryNo": query_no}
        good = batch["status"] == OK
        return {"Status": batch["status"], "QueryNo": query_no, "DataStatus": "0001" if good else "0002", "ErrInfoPath": batch["error_path"],
                "ErrRatio": batch["ratio"]}

    # -- behind the caller's back

    def due(self) -> list[str]:
        """Batches that were notified and are not judged yet."""
        return [row["batch_no"] for row in self.store.all("SELECT batch_no FROM batches WHERE status IS NULL ORDER BY rowid")]

    def judge(self, batch_no: str) -> None:
        """Judge one zip: accept whole transactions or send them back."""
        batch = self.store.need("SELECT * FROM batches WHERE batch_no = ?", batch_no)
        try:
            data = (self.folder / "kept" / batch["file"]).read_bytes()
            contents = open_zip(batch["file"], data, self.company, batch_no, self.tables)
            if len(contents.transactions) != batch["told"]:
                raise Unacceptable("STANDIN-COUNT")
        except Unacceptable as reason:
            self.store.run("UPDATE batches SET status = ? WHERE batch_no = ?", str(reason), batch_no)
            return
        with self.store:
            self._claims(batch, contents)
            self._injected(batch, contents)
            bad = {fault[1] for fault in contents.faults}
            everything = set(contents.transactions)
            good = everything - bad
            if batch["kind"] == "DET":
                good = set() if bad else good
                if not bad:
                    self.store.run("DELETE FROM rows WHERE day = ?", batch["day"])
            for number in sorted(everything):
                if batch["kind"] != "DET":
                    self._stand(number, batch, "accepted" if number in good else "rejected")
            for table, rows in contents.rows.items():
                self.store.db.executemany("INSERT INTO rows (day, name, number, fields) VALUES (?, ?, ?, ?)",
                                          [(batch["day"], table, row[0], json.dumps(row, ensure_ascii=False)) for row in rows if row[0] in good])
            path = self._error_file(batch_no, contents.faults) if bad else ""
            status = OK if not bad else PART_FAILED if good else ALL_FAILED
            self.store.run("UPDATE batches SET status = ?, error_path = ?, ratio = ? WHERE batch_no = ?", status, path,
                           f"{len(bad) / len(everything):.4f}" if everything else "", batch_no)

    def _stand(self, number: str, batch: sqlite3.Row, state: str) -> None:
        known = self.store.one("SELECT state FROM transactions WHERE number = ?", number)
        if known is not None and known["state"] == "accepted":
            return
        self.store.run("INSERT INTO transactions VALUES (?, ?, ?, ?) ON CONFLICT (number) DO UPDATE SET state = excluded.state, batch_no = excluded.batch_no",
                       number, batch["day"], state, batch["batch_no"])

    def _claims(self, batch: sqlite3.Row, contents: Contents) -> None:
        """Whether each transaction may come now: once in an increment, again only after it was sent back, all of the day in a detail."""
        first = {row[0]: table for table, rows in reversed(list(contents.rows.items())) for row in rows}
        numbers = contents.transactions
        if batch["kind"] == "DET":
            held = {row["number"] for row in self.store.all("SELECT number FROM transactions WHERE day = ? AND state = 'accepted'", batch["day"])}
            contents.faults += [(first[n], n, "E203", "not among the day's accepted") for n in numbers if n not in held]
            if held - set(numbers):
                contents.faults += [(first[n], n, "E204", "the detail is not complete") for n in numbers[:1]]
            return
        for number in numbers:
            known = self.store.one("SELECT state FROM transactions WHERE number = ?", number)
            state = known["state"] if known else None
            if state == "accepted":
                self.store.run("INSERT INTO twice VALUES (?, ?)", number, batch["batch_no"])
                contents.faults.append((first[number], number, "E201", "accepted before"))
            elif (batch["kind"] == "FAI") != (state == "rejected"):
                contents.faults.append((first[number], number, "E202", "only what was sent back comes in a correction"))

    def _injected(self, batch: sqlite3.Row, contents: Contents) -> None:
        fault = self.faults.next("reject", day=batch["day"], of=batch["kind"]) if batch["kind"] == "FAI" else \
            self.faults.next("reject", day=batch["day"], of="INC") if batch["kind"] == "INC" else None
        if fault is not None:
            first = {row[0]: table for table, rows in reversed(list(contents.rows.items())) for row in rows}
            contents.faults += [(first[n], n, "E999", "injected") for n in contents.transactions[:int(fault.get("transactions", 1))]]

    def _error_file(self, batch_no: str, faults: list[tuple[str, str, str, str]]) -> str:
        text = "".join("\x01".join((self.company, table, batch_no, number, code, message)) + "\n" for table, number, code, message in faults)
        memory = io.BytesIO()
        with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as box:
            box.writestr(f"{self.company}/error.txt", text)
        folder = self.folder / "files" / "errors"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"E_{batch_no}.zip").write_bytes(memory.getvalue())
        return f"/errors/E_{batch_no}.zip"

    # -- reconciling

    def check(self, body: dict) -> dict:
        day = body.get("TransDate", "")
        if not re.fullmatch(r"\d{8}", day):
            return {"Status": "STANDIN-DATE"}
        day = f"{day[:4]}-{day[4:6]}-{day[6:]}"
        self._damage(day)
        items = []
        for item in body.get("Items", []):
            columns = {column.name: place for place, column in enumerate(self.tables.get(item["TableName"], ()))}
            place = columns.get(item["FieldName"])
            if place is None or item["CheckType"] not in ("COUNT", "SUM"):
                return {"Status": "STANDIN-ITEM"}
            ours = self.store.figure(day, item["TableName"], None if item["CheckType"] == "COUNT" else place)
            items.append({**item, "PDLValue": f"{ours:f}"})
        try:
            same = all(Decimal(item["Value"]) == Decimal(item["PDLValue"]) for item in items)
        except InvalidOperation:
            return {"Status": "STANDIN-ITEM"}
        query_no = f"C{self.store.count('checks') + 1:012d}"
        self.store.run("INSERT INTO checks (query_no, status, items) VALUES (?, ?, ?)", query_no, OK if same else DIFFERS, json.dumps(items))
        return {"Status": CHECK_BUSY[0], "QueryNo": query_no}

    def check_result(self, query_no: str) -> dict:
        found = self.store.one("SELECT * FROM checks WHERE query_no = ?", query_no)
        if found is None:
            return {"Status": "STANDIN-QUERY"}
        self.store.run("UPDATE checks SET asked = asked + 1 WHERE query_no = ?", query_no)
        if found["asked"] < self.patience:
            return {"Status": CHECK_BUSY[(found["asked"] + 1) % 2], "QueryNo": query_no}
        return {"Status": found["status"], "QueryNo": query_no, "Items": json.loads(found["items"])}

    def _damage(self, day: str) -> None:
        """Change what is stored, where that was asked for and there is something to change."""
        for kind in ("alter", "lose"):
            fault = self.faults.peek(kind, day=day)
            for row in self.store.all("SELECT * FROM rows WHERE day = ? ORDER BY id", day) if fault else []:
                if fault.get("table") not in (None, row["name"]):
                    continue
                fields = json.loads(row["fields"])
                money = [place for place, column in enumerate(self.tables[row["name"]])
                         if column.kind == "decimal" and column.scale == 2 and fault.get("field") in (None, column.name) and fields[place]]
                if kind == "lose":
                    self.store.run("DELETE FROM rows WHERE id = ?", row["id"])
                elif money:
                    fields[money[0]] = f"{Decimal(fields[money[0]]) + Decimal(str(fault.get('by', '0.01'))):f}"
                    self.store.run("UPDATE rows SET fields = ? WHERE id = ?", json.dumps(fields, ensure_ascii=False), row["id"])
                else:
                    continue
                self.faults.next(kind, day=day)
                break
