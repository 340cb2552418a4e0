"""Exporters beside a database and its copy: Redis, MariaDB, PostgreSQL."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

from exporters.exposition import Run
from exporters.programs import (
    OLDEST,
    CatalogueError,
    Packages,
    free_port,
    get,
    reachable,
    running,
    version_of,
    wait_for,
)


def redis(packages: Packages) -> Run:
    server = packages.program(
        "usr/bin/redis-server",
        [
            *("redis-server", "redis-tools", "libjemalloc2", "liblzf1"),
            *("libhiredis0.14", "liblua5.1-0", "lua-bitop", "lua-cjson"),
        ],
        OLDEST,
    )
    program = packages.program("usr/bin/prometheus-redis-exporter", ["prometheus-redis-exporter"])
    environment, texts = packages.environment(OLDEST), []
    primary, replica = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as runs:
        for database, further in ((primary, []), (replica, ["--replicaof", "127.0.0.1", str(primary)])):
            place = Path(folder, str(database))
            place.mkdir()
            options = ["--port", str(database), "--bind", "127.0.0.1", "--dir", str(place), *further]
            runs.enter_context(running([server, *options, "--maxmemory", "64mb"], env=environment))
            reachable(database)
        for database, wanted in (
            (primary, "redis_connected_slave_lag"),
            (replica, r"redis_master_link_up\{.*\} 1"),
        ):
            port = free_port()
            flags = [f"-web.listen-address=127.0.0.1:{port}", f"-redis.addr=redis://127.0.0.1:{database}"]
            with running([program, *flags]):
                texts.append(wait_for(f"http://127.0.0.1:{port}/metrics", re.compile(wanted)))
    version = version_of(server, environment)
    source = f"a run of redis_exporter beside Redis {version}, a primary and its replica"
    return Run(tuple(texts), version_of(program), source)


MARIADB = (
    *("mariadb-server-core", "libaio1", "libsnappy1v5", "liburing2", "libpmem1", "libdaxctl1"),
    *("libndctl6", "libnuma1", "libpcre2-8-0"),
)


def mysql(packages: Packages) -> Run:
    server = packages.program("usr/sbin/mariadbd", MARIADB, OLDEST)
    program = packages.program("usr/bin/prometheus-mysqld-exporter", ["prometheus-mysqld-exporter"])
    environment = packages.environment(OLDEST)
    source, replica = free_port(), free_port()
    follow = f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={source}, MASTER_USER='root';"
    with tempfile.TemporaryDirectory() as folder, ExitStack() as runs:
        for number, (port, statements) in enumerate(((source, ""), (replica, f"{follow} START SLAVE;")), 1):
            first = Path(folder, f"{number}.sql")
            first.write_text(statements.replace("; ", ";\n") + "\n")
            options = mariadb_options(server, Path(folder, str(number)), environment)
            options += [f"--port={port}", "--bind-address=127.0.0.1", f"--server-id={number}", "--log-bin"]
            options += ["--skip-grant-tables", f"--init-file={first}"]
            runs.enter_context(running([server, *options], env=environment))
            reachable(port)
        texts = []
        for database in (source, replica):
            port = free_port()
            flags = [f"--mysqld.address=127.0.0.1:{database}", "--mysqld.username=root"]
            flags += [f"--web.listen-address=127.0.0.1:{port}"]
            with running([program, *flags], env={**os.environ, "MYSQLD_EXPORTER_PASSWORD": "none"}):
                texts.append(get(f"http://127.0.0.1:{port}/metrics"))
    if "mysql_slave_status_slave_sql_running" not in texts[1]:
        raise CatalogueError("the exporter does not see the replication")
    version = version_of(server, environment)
    said = f"a run of mysqld_exporter beside MariaDB {version}, a source and its replica"
    return Run(tuple(texts), version_of(program), said)


def mariadb_options(server: Path, folder: Path, environment: dict[str, str]) -> list[str]:
    """Makes the system tables of a new server in `folder`, and says what it is started with."""
    share = server.parent.parent / "share/mysql"
    folder.mkdir()
    options = [
        "--no-defaults",
        f"--datadir={folder}",
        f"--lc-messages-dir={share}",
        "--innodb-log-file-size=4M",
    ]
    options += [f"--socket={folder}/socket", f"--pid-file={folder}/pid", "--innodb-buffer-pool-size=16M"]
    options += [f"--character-sets-dir={share}/charsets", f"--plugin-dir={folder}"]
    if os.getuid() == 0:
        options.append("--user=root")
    tables = "".join(
        (share / f"{name}.sql").read_text() for name in ("mysql_system_tables", "mysql_performance_tables")
    )
    done = subprocess.run(
        [server, *options, "--bootstrap"],
        input=f"create database mysql;\nuse mysql;\n{tables}",
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise CatalogueError(f"MariaDB makes no tables: {done.stderr[-2000:]}")
    return options


POSTGRES = (
    *("postgresql-15", "postgresql-client-15", "libpq5", "libllvm14", "libicu72", "liblz4-1"),
    *("libreadline8", "libtinfo6"),
)


def postgres(packages: Packages) -> Run:
    server = packages.program("usr/lib/postgresql/15/bin/postgres", POSTGRES, OLDEST)
    program = packages.program("usr/bin/prometheus-postgres-exporter", ["prometheus-postgres-exporter"])
    primary, standby = free_port(), free_port()
    # PostgreSQL refuses to run as root.
    options: dict[str, object] = {"env": packages.environment(OLDEST)}
    if os.getuid() == 0:
        options |= {"user": "nobody", "group": "nogroup", "extra_groups": []}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as runs:
        Path(folder).chmod(0o755)
        home = Path(folder, "home")
        home.mkdir()
        if os.getuid() == 0:
            shutil.chown(home, "nobody", "nogroup")
        made = subprocess.run(
            [server.with_name("initdb"), "-D", home / "1", "-U", "postgres", "-A", "trust", "--locale=C"],
            capture_output=True,
            text=True,
            check=False,
            cwd=home,
            **options,  # type: ignore[call-overload]
        )
        if made.returncode != 0:
            raise CatalogueError(f"PostgreSQL makes no database: {made.stderr[-2000:]}")
        copy = ["cp", "-r", home / "1", home / "2"]
        subprocess.run(copy, check=True, cwd=home, **options)  # type: ignore[call-overload]
        subprocess.run(["touch", home / "2/standby.signal"], check=True, cwd=home, **options)  # type: ignore[call-overload]
        follow = f"primary_conninfo=host=127.0.0.1 port={primary} user=postgres"
        for name, port, further in (("1", primary, []), ("2", standby, ["-c", follow])):
            flags = ["-D", str(home / name), "-p", str(port), "-h", "127.0.0.1", "-k", str(home), *further]
            runs.enter_context(running([server, *flags], cwd=home, **options))
            reachable(port)
            if port == primary:
                slot = f"-p {port} -h 127.0.0.1 -U postgres -c".split()
                ask = [
                    server.with_name("psql"),
                    *slot,
                    "select pg_create_physical_replication_slot('kept', true)",
                ]
                subprocess.run(ask, check=True, capture_output=True, cwd=home, **options)  # type: ignore[call-overload]
        texts = []
        for database, wanted in ((primary, "pg_stat_replication_pg_wal_lsn_diff"), (standby, "pg_up 1")):
            port = free_port()
            place = f"postgresql://postgres@127.0.0.1:{database}/postgres?sslmode=disable"
            more = ("long_running_transactions", "database_wraparound", "stat_activity_autovacuum")
            with running(
                [
                    program,
                    f"--web.listen-address=127.0.0.1:{port}",
                    *(f"--collector.{name}" for name in more),
                ],
                env={**os.environ, "DATA_SOURCE_NAME": place},
            ):
                texts.append(wait_for(f"http://127.0.0.1:{port}/metrics", re.compile(wanted)))
    version = version_of(server, packages.environment(OLDEST))
    said = f"a run of postgres_exporter beside PostgreSQL {version}, a primary and its standby"
    return Run(tuple(texts), version_of(program), said)
