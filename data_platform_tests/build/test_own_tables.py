"""Every table of the database is known to whoever copies or removes all of them."""

import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa

from data_platform.databases.connections import Database
from data_platform.databases.migration import VERSION_TABLE


def test_a_process_that_makes_a_backup_knows_every_table(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/ledger.db")
    database.migrate()
    made = set(sa.inspect(database.engine).get_table_names()) - {VERSION_TABLE}
    code = "from data_platform.operations import backup; print(*backup.LEDGER_TABLES)"

    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert set(said.split()) == made - {"leases"}
