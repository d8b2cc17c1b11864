#!/bin/sh
# What docker-compose.yml needs once: make-secrets.sh [FOLDER]
#   FOLDER/secrets   a password for each part, and the server's users (docs/security.md)
#   FOLDER/.env      says where they are, and whose files a producer's container writes
# FOLDER is the checkout unless it is named. What is there already is kept.
set -eu
checkout=$(cd "$(dirname "$0")/.." && pwd)
secrets=./secrets
[ $# = 0 ] || { mkdir -p "$1"; secrets=$(cd "$1" && pwd)/secrets; }
cd "${1:-$checkout}"

"$checkout/deploy/redis/make-users.sh" secrets > /dev/null
# Nobody else on this machine gets into the folder. In it the files are open, since each container
# has a user that is none of this machine's.
chmod 700 secrets
chmod 644 secrets/*

# A last line that nobody ended would swallow what is added.
[ ! -s .env ] || [ -z "$(tail -c 1 .env)" ] || echo >> .env
keep() {
  grep -q "^$1=" .env 2> /dev/null || echo "$1=$2" >> .env
}
keep HANGTAG_SECRETS "$secrets"
keep HANGTAG_UID "${SUDO_UID:-$(id -u)}"
keep HANGTAG_GID "${SUDO_GID:-$(id -g)}"
echo "passwords are in $PWD/secrets, settings in $PWD/.env; next: docker compose up -d --build"
