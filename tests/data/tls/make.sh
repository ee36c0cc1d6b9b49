#!/bin/sh
# Makes the certificates beside it anew, with openssl alone. They protect nothing: the key is public.
set -eu
cd "$(dirname "$0")"
umask 022
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
touch "$work/index"
cat >"$work/ca.cnf" <<CONF
[ca]
default_ca = test
[test]
database = $work/index
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
CONF

new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

# NAME SUBJECT-ALTERNATIVE-NAMES START END
certificate() {
    openssl req -new -key key.pem -subj "/CN=eragent test $1" -addext "subjectAltName=$2" -out "$work/$1.csr"
    openssl ca -batch -notext -config "$work/ca.cnf" -cert ca.pem -keyfile "$work/ca.key" \
        -in "$work/$1.csr" -startdate "$3" -enddate "$4" -out "$1.pem"
}

# NAME KEY BASIC-CONSTRAINTS
self_signed() {
    openssl req -new -key "$2" -subj "/CN=eragent test $1" -addext "basicConstraints=$3" \
        -addext "subjectAltName=$here" -out "$work/$1.csr"
    openssl ca -batch -notext -config "$work/ca.cnf" -selfsign -keyfile "$2" \
        -in "$work/$1.csr" -startdate 20200101000000Z -enddate 21200101000000Z -out "$1.pem"
}

here=DNS:localhost,IP:127.0.0.1,IP:::1
new_key key.pem
new_key "$work/ca.key"
self_signed ca "$work/ca.key" critical,CA:TRUE
certificate valid "$here" 20200101000000Z 21200101000000Z
certificate expired "$here" 20200101000000Z 20200201120000Z
certificate not-yet-valid "$here" 21100101000000Z 21200101000000Z
certificate other-name DNS:other.example 20200101000000Z 21200101000000Z
self_signed self-signed key.pem CA:FALSE
