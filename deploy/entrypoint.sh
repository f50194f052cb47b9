#!/usr/bin/env bash
# For every variable X_FILE: put the contents of that file into X and start the command. Secrets so come from files that a secrets backend
# mounts (Vault agent, Kubernetes, Docker), and neither the image nor a settings file nor `docker inspect` shows them.
# 把 X_FILE 指向的文件内容放入变量 X，再启动命令。
set -euo pipefail
# What tasks write is for this user only: the vault refuses a folder that others may read.
umask 0077

while IFS= read -r name; do
    target=${name%_FILE}
    # Airflow has settings of its own whose names end like that; they are left alone. A value given directly wins.
    if [[ $name == AIRFLOW__* || -n ${!target:-} ]]; then
        continue
    fi
    if [[ ! -r ${!name} ]]; then
        # Not every process gets every secret: the command itself says what it misses, and names the variable.
        echo "entrypoint: ${name} names a file that is not there; ${target} stays unset" >&2
        continue
    fi
    export "${target}=$(<"${!name}")"
done < <(compgen -e | grep '_FILE$' || true)

exec "$@"
