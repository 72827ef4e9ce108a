#!/usr/bin/env bash
# Makes the secrets that docker-compose.yml names, once. An existing one is kept.
set -euo pipefail
umask 077
dir="$(cd "$(dirname "$0")" && pwd)/secrets"
mkdir -p "$dir"
for name in api_token postgres_password pseudonym_key grafana_password; do
    file="$dir/$name"
    [ -s "$file" ] && continue
    # 32 random bytes in hexadecimal.
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$file"
    # Containers run as other users than you; the directory keeps the files from everybody else on this machine.
    chmod 444 "$file"
done
chmod 700 "$dir"
echo "secrets are in deploy/secrets"
