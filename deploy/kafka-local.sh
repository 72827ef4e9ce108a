#!/usr/bin/env bash
# A real Apache Kafka on loopback, for tests and benches: one KRaft node, made from the jars of Maven Central.
#
#   deploy/kafka-local.sh start   DIR PORT   format DIR when new, start the broker, wait until it answers
#   deploy/kafka-local.sh stop    DIR        stop it and wait until it is gone
#   deploy/kafka-local.sh restart DIR        stop, then start on the same port
#   deploy/kafka-local.sh kill    DIR        end it with SIGKILL, as a crash would
#
# DIR keeps the data, the log and the process id. The jars are shared by all: $KAFKA_LOCAL_JARS, by default
# ~/.cache/civicpulse/kafka-VERSION. Needs java 17 or newer and, the first time, mvn
# (Debian: apt-get install openjdk-17-jre-headless maven). Environment: KAFKA_VERSION, KAFKA_HEAP (-Xmx512m).
set -euo pipefail

version=${KAFKA_VERSION:-4.1.0}
jars=${KAFKA_LOCAL_JARS:-${XDG_CACHE_HOME:-$HOME/.cache}/civicpulse/kafka-$version}
start_timeout_s=90
stop_timeout_s=60
# A killed process keeps its sockets for a moment after it is gone from /proc.
port_free_timeout_s=15

die() { echo "kafka-local: $*" >&2; exit 1; }
need() { command -v "$1" >/dev/null || die "$1 is missing: install it (Debian: apt-get install openjdk-17-jre-headless maven)"; }

fetch_jars() {
    [ -e "$jars/.complete" ] && return
    need mvn
    mkdir -p "$jars"
    exec 8>"$jars/.lock"
    flock 8
    [ -e "$jars/.complete" ] && return
    cat >"$jars/pom.xml" <<POM
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>kafka-local</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
    mvn -q -B -f "$jars/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$jars/lib" >"$jars/mvn.log" 2>&1 ||
        { tail -n 20 "$jars/mvn.log" >&2; die "the jars of Kafka $version could not be fetched: see $jars/mvn.log"; }
    touch "$jars/.complete"
    exec 8>&-
}

# The process whose id DIR remembers, if it still is our broker and not a stranger with a recycled id.
running_pid() {
    local pid
    pid=$(cat "$1/pid" 2>/dev/null) || return 1
    [ -r "/proc/$pid/cmdline" ] && tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF "$1/server.properties" || return 1
    echo "$pid"
}

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

port_is_free() {
    local deadline=$((SECONDS + port_free_timeout_s))
    while answers "$1"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

configure() {
    local dir=$1 port=$2
    cat >"$dir/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$dir/data
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.retention.check.interval.ms=1000
log.segment.delete.delay.ms=1000
PROPERTIES
    echo "$port" >"$dir/port"
}

start() {
    local dir=$1 port=$2 pid deadline
    need java
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
    if pid=$(running_pid "$dir"); then
        echo "kafka-local: already running, pid $pid, 127.0.0.1:$(cat "$dir/port")"
        return
    fi
    port_is_free "$port" || die "port $port is taken: choose another one"
    fetch_jars
    configure "$dir" "$port"
    local java=(java "${KAFKA_HEAP:--Xmx512m}" -Xms128m -XX:+UseSerialGC -cp "$jars/lib/*")
    if [ ! -e "$dir/data/meta.properties" ]; then
        local id
        id=$("${java[@]}" kafka.tools.StorageTool random-uuid 2>>"$dir/broker.log")
        "${java[@]}" kafka.tools.StorageTool format -t "$id" -c "$dir/server.properties" >>"$dir/broker.log" 2>&1 ||
            { tail -n 20 "$dir/broker.log" >&2; die "the storage in $dir could not be formatted"; }
    fi
    # A session of its own, so that a Ctrl-C meant for the caller does not stop the broker.
    setsid "${java[@]}" kafka.Kafka "$dir/server.properties" >>"$dir/broker.log" 2>&1 </dev/null &
    echo $! >"$dir/pid"
    deadline=$((SECONDS + start_timeout_s))
    until answers "$port"; do
        running_pid "$dir" >/dev/null || { sleep 1; running_pid "$dir" >/dev/null || { tail -n 20 "$dir/broker.log" >&2; die "the broker ended: see $dir/broker.log"; }; }
        ((SECONDS < deadline)) || { stop "$dir"; die "the broker did not answer within $start_timeout_s s: see $dir/broker.log"; }
        sleep 0.2
    done
    echo "kafka-local: started, pid $(cat "$dir/pid"), 127.0.0.1:$port"
}

end() {
    local dir=$1 signal=$2 pid deadline
    [ -d "$dir" ] && dir=$(cd "$dir" && pwd)
    if ! pid=$(running_pid "$dir"); then
        rm -f "$dir/pid"
        return
    fi
    kill "-$signal" "$pid"
    deadline=$((SECONDS + stop_timeout_s))
    while kill -0 "$pid" 2>/dev/null && [ -e "/proc/$pid/cmdline" ] && [ -n "$(tr -d '\0' <"/proc/$pid/cmdline")" ]; do
        ((SECONDS < deadline)) || { kill -KILL "$pid"; break; }
        sleep 0.1
    done
    rm -f "$dir/pid"
}

stop() { end "$1" TERM; }

case "${1:-} $#" in
    "start 3") start "$2" "$3" ;;
    "stop 2") stop "$2" ;;
    "kill 2") end "$2" KILL ;;
    "restart 2")
        port=$(cat "$2/port" 2>/dev/null) || die "$2 was never started: use start $2 PORT"
        stop "$2"
        start "$2" "$port"
        ;;
    *) die "usage: $0 start DIR PORT | stop DIR | restart DIR | kill DIR" ;;
esac
