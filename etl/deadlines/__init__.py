"""When reports are due: public holidays and make-up working days, deadlines and their postponement, alerts, what is late.

Every day here is a day in Asia/Shanghai. Start with `load_calendar`; a timetable uses `etl.deadlines.timetable`, whose functions never raise.
"""
