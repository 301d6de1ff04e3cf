#!/bin/sh
# Formats the volume when it is new, then becomes the broker, which so gets the signals.
set -eu
cd /opt/kafka
export CLASSPATH='/opt/kafka/libs/*'
if [ ! -e /var/lib/redpanda/data/kafka/meta.properties ]; then
  # Another volume is another cluster, so it gets another id.
  id=$(java kafka.tools.StorageTool random-uuid)
  java kafka.tools.StorageTool format --cluster-id "$id" --config server.properties
fi
exec java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xms64m -Xmx512m kafka.Kafka server.properties
