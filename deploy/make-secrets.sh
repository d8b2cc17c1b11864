#!/bin/sh
# What docker-compose.yml needs once: make-secrets.sh [FOLDER]
#   FOLDER/secrets   a password for each part, and the server's users (docs/security.md)
#   FOLDER/.env      says where they are, and whose files a producer's container writes
#   FOLDER/data      what trainers see as /data; an engine that finds none makes it root's
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

caller=${SUDO_UID:-$(id -u)} group=${SUDO_GID:-$(id -g)}
if [ ! -e data ]; then
  mkdir data
  chmod 755 data  # for a trainer's user, who is none of this machine's either
  [ "$(id -u)" != 0 ] || chown "$caller:$group" data
fi

# To an engine without root's rights the caller is its containers' root.
case $(docker info -f '{{.SecurityOptions}}' 2> /dev/null) in
  *name=rootless*) caller=0 group=0 ;;
esac

# A last line that nobody ended would swallow what is added.
[ ! -s .env ] || [ -z "$(tail -c 1 .env)" ] || echo >> .env
keep() {
  grep -q "^$1=" .env 2> /dev/null || echo "$1=$2" >> .env
}
keep HANGTAG_SECRETS "$secrets"
keep HANGTAG_UID "$caller"
keep HANGTAG_GID "$group"
echo "passwords are in $PWD/secrets, settings in $PWD/.env; next: docker compose up -d --build"
