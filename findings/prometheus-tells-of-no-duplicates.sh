#!/bin/bash
# Prometheus 2.42 (Debian 12's): nobody tells of a series that a page has twice, neither the checker nor the server.
#
# One would expect `promtool check metrics` to refuse it, as the text format lets each combination of name and
# labels appear once, and it does complain of matters of style; and the server to count the value that it
# throws away in prometheus_target_scrapes_sample_duplicate_timestamp_total, which is there for that.
#
# Seen: promtool ends with status 0 and says nothing (3 for a missing HELP). The server keeps the first value, its
# counter stays 0, its log at the level of warnings empty, and the target is up. So a test of an exporter has to look
# for duplicates itself.
. "$(dirname "$0")/lib/debian.sh"
debian_root bookworm prometheus=2.42.0+ds-5+deb12u1
mkdir "$work/www"
cat >"$work/www/metrics" <<'M'
# HELP disk_read_bytes_total Bytes read.
# TYPE disk_read_bytes_total counter
disk_read_bytes_total{disk="a"} 1
disk_read_bytes_total{disk="a"} 2
disk_read_bytes_total{disk="b"} 3
disk_read_bytes_total{disk="b"} 3
M
sed 's/ Bytes read\././' "$work/www/metrics" >"$work/no-help"
sed -i '/HELP/d' "$work/no-help"

check() { # FILE: what promtool says of it, and its status
	local status=0
	"$root/usr/bin/promtool" check metrics <"$1" 2>&1 || status=$?
	echo "status $status"
}

cat >"$work/prometheus.yml" <<'C'
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: page
    static_configs: [{targets: ["127.0.0.1:PORT"]}]
  - job_name: self
    static_configs: [{targets: ["127.0.0.1:OWN"]}]
C
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
page=$(port) own=$(port)
sed -i "s/PORT/$page/; s/OWN/$own/" "$work/prometheus.yml"
python3 -m http.server -d "$work/www" -b 127.0.0.1 "$page" >"$work/www.log" 2>&1 &
www=$!
"$root/usr/bin/prometheus" --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" \
	--web.listen-address=127.0.0.1:"$own" >"$work/prometheus.log" 2>&1 &
server=$!
trap 'kill $www $server 2>/dev/null; wait; rm -rf "$work"' EXIT

ask() { # QUERY: labels and value of each result
	python3 - "$own" "$1" <<'P'
import json, sys, urllib.parse, urllib.request

url = f"http://127.0.0.1:{sys.argv[1]}/api/v1/query?" + urllib.parse.urlencode({"query": sys.argv[2]})
for row in json.load(urllib.request.urlopen(url, timeout=10))["data"]["result"]:
    print(row["metric"].get("disk", row["metric"].get("job", "")), row["value"][1])
P
}

counter='sum(prometheus_target_scrapes_sample_duplicate_timestamp_total)'
scrapes='count_over_time(prometheus_target_scrapes_sample_duplicate_timestamp_total[5m]) > 3'
for _ in $(seq 60); do # until it has scraped the page, and itself behind it, a few times
	[ -z "$(ask "$scrapes" 2>/dev/null)" ] || break
	sleep 1
done
{
	echo "twice the same series:"; check "$work/www/metrics"
	echo "no HELP:"; check "$work/no-help"
	echo "the server's values:"; ask 'sort(disk_read_bytes_total)'
	echo "counted as dropped:$(ask "$counter")"
	echo "the target is up:"; ask 'up{job="page"}'
	echo "warnings: $(grep -c 'level=\(warn\|error\)' "$work/prometheus.log" || true)"
} >"$work/seen"
as_seen "$work/seen" <<'S'
twice the same series:
status 0
no HELP:
disk_read_bytes_total no help text
status 3
the server's values:
a 1
b 3
counted as dropped: 0
the target is up:
page 1
warnings: 0
S
