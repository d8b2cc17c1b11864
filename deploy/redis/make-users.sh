#!/bin/sh
# Creates a password for each part, and the server's file of users: make-users.sh FOLDER
#   FOLDER/users.acl               for the server: aclfile FOLDER/users.acl
#   FOLDER/{producer,worker,trainer,monitor}.password   one each for the machines of that part
# Existing passwords are not changed.
# The administrator, hangtag-admin, is off unless FOLDER/admin.password exists.
set -eu
[ $# = 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
umask 077
mkdir -p "$1"
users="$1/users.acl.part"
cp "$here/users.acl" "$users"
number=0
for part in producer worker trainer monitor admin; do
  number=$((number + 1))
  secret="$1/$part.password"
  [ -s "$secret" ] || [ $part = admin ] || openssl rand -hex 32 > "$secret"
  [ -s "$secret" ] || continue
  hash=$(tr -d '\n' < "$secret" | openssl dgst -sha256 -r | cut -d ' ' -f 1)
  # The hashes in the repository's file belong to no known password.
  sed "s/^\(user hangtag-$part\) off /\1 on /; s/#0\{63\}$number /#$hash /" "$users" > "$users.next"
  mv "$users.next" "$users"
done
mv "$users" "$1/users.acl"
echo "$1/users.acl is for the server; a .password file is for the machines of its part"
