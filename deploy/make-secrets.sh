#!/bin/sh
# Creates the files that docker-compose.yml needs, once: make-secrets.sh [FOLDER]
#   FOLDER/secrets   a password for each part, and the server's users (docs/security.md)
#   FOLDER/.env      the path of the secrets, and the owner of a producer's output
#   FOLDER/data      mounted in trainers as /data; an engine would create it as root
# FOLDER is the checkout by default. Existing files are not changed.
set -eu
checkout=$(cd "$(dirname "$0")/.." && pwd)
secrets=./secrets
[ $# = 0 ] || { mkdir -p "$1"; secrets=$(cd "$1" && pwd)/secrets; }
cd "${1:-$checkout}"

"$checkout/deploy/redis/make-users.sh" secrets > /dev/null
# Other users of this machine cannot enter the folder. Its files are world-readable, since the users
# of the containers do not exist on this machine.
chmod 700 secrets
chmod 644 secrets/*

caller=${SUDO_UID:-$(id -u)} group=${SUDO_GID:-$(id -g)}
if [ ! -e data ]; then
  mkdir data
  chmod 755 data  # for the trainer's user, which does not exist on this machine either
  [ "$(id -u)" != 0 ] || chown "$caller:$group" data
fi

# A rootless engine maps the caller to root in its containers.
case $(docker info -f '{{.SecurityOptions}}' 2> /dev/null) in
  *name=rootless*) caller=0 group=0 ;;
esac

# Terminate an incomplete last line, so that the first setting is not appended to it.
[ ! -s .env ] || [ -z "$(tail -c 1 .env)" ] || echo >> .env
add() {
  grep -q "^$1=" .env 2> /dev/null || echo "$1=$2" >> .env
}
add HANGTAG_SECRETS "$secrets"
add HANGTAG_UID "$caller"
add HANGTAG_GID "$group"
echo "passwords are in $PWD/secrets, settings in $PWD/.env; next: docker compose up -d --build"
