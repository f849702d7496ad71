#!/bin/bash
# etcd 3.4.23 (Debian 12's etcd-server 3.4.23-4+b4), JSON gateway: keeping a lease alive that does not exist
# any more succeeds with status 200 and the lease's ID.
#
# One would expect an error, as revoking it or asking how long it lives: those say 404, or a TTL of -1. Who holds a lock
# by a lease keeps it alive with /v3/lease/keepalive, and looks at the status.
#
# Seen: 200 and {"result":{"header":{...},"ID":"..."}}; all that tells a lease that is held from one that is lost is
# that the field TTL is missing, since protobuf's JSON leaves zeroes out. And the revocation answers 404, but the
# question for its time to live 200 too, with TTL "-1".
#
# Needs curl and python3. The server listens on loopback only.
. "$(dirname "$0")/lib/debian.sh"
debian_root bookworm etcd-server=3.4.23-4+b4
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
url=http://127.0.0.1:$port
in_root /usr/bin/etcd --data-dir "$work/data" --listen-client-urls "$url" --advertise-client-urls "$url" \
	--listen-peer-urls http://127.0.0.1:0 --initial-advertise-peer-urls http://127.0.0.1:1 \
	--initial-cluster default=http://127.0.0.1:1 >"$work/log" 2>&1 &
server=$!
trap 'kill $server; wait $server 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in $(seq 300); do
	curl -sf "$url/health" >/dev/null && break
	kill -0 $server || { tail -n 3 "$work/log" >&2; exit 2; }
	sleep 0.2
done

# ask PATH BODY: the status, and the fields that tell.
ask() {
	status=$(curl -s -o "$work/answer" -w '%{http_code}' -d "$2" "$url/v3/$1")
	python3 - "$status" "$work/answer" <<'P'
import json, sys
answer = json.load(open(sys.argv[2]))
answer = answer.get("result", answer)
print(sys.argv[1], "ID" if "ID" in answer else "no ID", "TTL " + answer["TTL"] if "TTL" in answer else "no TTL")
P
}

{
	echo "granted:             $(ask lease/grant '{"ID": 77, "TTL": 60}')"
	echo "kept alive:          $(ask lease/keepalive '{"ID": 77}')"
	curl -s -o /dev/null -d '{"ID": 77}' "$url/v3/lease/revoke"
	echo "gone, kept alive:    $(ask lease/keepalive '{"ID": 77}')"
	echo "gone, time to live:  $(ask lease/timetolive '{"ID": 77}')"
	echo "gone, revoked again: $(ask lease/revoke '{"ID": 77}')"
} >"$work/seen"
as_seen "$work/seen" <<'S'
granted:             200 ID TTL 60
kept alive:          200 ID TTL 60
gone, kept alive:    200 ID no TTL
gone, time to live:  200 ID TTL -1
gone, revoked again: 404 no ID no TTL
S
