import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The gate workload by hand on Kafka Streams: what Acteon is compared with.
 *
 * <p>Exactly-once v2, persistent RocksDB stores with changelogs and caching, lz4, large batches. For
 * each action one outcome, one audit record with the payload and, if it is admitted, one dispatch.
 *
 * <p>Arguments: bootstrap servers, prefix of the topic names, stream threads, state directory.
 */
public final class GateStreams {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final long DEDUPLICATE_MS = 300_000;
  private static final long THROTTLE_WINDOW_MS = 60_000;
  private static final long THROTTLE_MAX = 1_000;

  private GateStreams() {}

  /** What becomes of an action, and the rule that says so (null: the default). */
  private record Decision(String outcome, String rule) {}

  private static final class Gate implements Processor<byte[], byte[], byte[], byte[]> {
    private ProcessorContext<byte[], byte[]> context;
    /** Scope and dedup key → when it expires. */
    private KeyValueStore<String, Long> dedup;
    /** Scope and action type → start of the window, actions in it. */
    private KeyValueStore<String, byte[]> throttle;

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
      this.context = context;
      dedup = context.getStateStore("dedup");
      throttle = context.getStateStore("throttle");
      context.schedule(Duration.ofSeconds(30), PunctuationType.WALL_CLOCK_TIME, this::expire);
    }

    private void expire(long now) {
      try (KeyValueIterator<String, Long> all = dedup.all()) {
        while (all.hasNext()) {
          var entry = all.next();
          if (entry.value <= now) {
            dedup.delete(entry.key);
          }
        }
      }
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      long now = System.currentTimeMillis();
      JsonNode action;
      try {
        action = JSON.readTree(record.value());
      } catch (IOException e) {
        context.forward(new Record<>(record.key(), record.value(), now), "dlq");
        return;
      }
      Decision decision = decide(action, now);
      ObjectNode outcome = JSON.createObjectNode();
      outcome.set("action_id", action.path("id"));
      outcome.set("namespace", action.path("namespace"));
      outcome.set("tenant", action.path("tenant"));
      outcome.put("outcome", decision.outcome).put("rule", decision.rule).put("at", now);
      ObjectNode audit = outcome.deepCopy();
      for (String field : new String[] {"action_type", "provider", "payload", "metadata"}) {
        audit.set(field, action.path(field));
      }
      context.forward(new Record<>(record.key(), bytes(outcome), now), "outcomes");
      context.forward(new Record<>(record.key(), bytes(audit), now), "audit");
      if (decision.outcome.equals("dispatched")) {
        context.forward(new Record<>(record.key(), record.value(), now), "dispatch");
      }
    }

    private Decision decide(JsonNode action, long now) {
      String type = action.path("action_type").asText();
      if (type.equals("test")) {
        return new Decision("suppressed", "suppress-tests");
      }
      JsonNode signed = action.path("payload").path("signed");
      if (signed.isBoolean() && !signed.asBoolean()) {
        return new Decision("suppressed", "deny-unsigned");
      }
      String scope = action.path("namespace").asText() + ":" + action.path("tenant").asText() + ":";
      String key = scope + action.path("dedup_key").asText();
      Long until = dedup.get(key);
      if (until != null && until > now) {
        return new Decision("deduplicated", "dedup");
      }
      dedup.put(key, now + DEDUPLICATE_MS);
      return admit(scope + type, now)
          ? new Decision("dispatched", null)
          : new Decision("throttled", "throttle");
    }

    private boolean admit(String key, long now) {
      long start = now;
      long count = 0;
      byte[] window = throttle.get(key);
      if (window != null) {
        ByteBuffer stored = ByteBuffer.wrap(window);
        long storedStart = stored.getLong();
        if (now - storedStart < THROTTLE_WINDOW_MS) {
          start = storedStart;
          count = stored.getLong();
        }
      }
      if (count >= THROTTLE_MAX) {
        return false;
      }
      throttle.put(key, ByteBuffer.allocate(16).putLong(start).putLong(count + 1).array());
      return true;
    }

    private static byte[] bytes(JsonNode node) {
      try {
        return JSON.writeValueAsBytes(node);
      } catch (JsonProcessingException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  private static Topology topology(String prefix) {
    Topology topology = new Topology();
    topology.addSource("actions", prefix + ".actions");
    topology.addProcessor("gate", Gate::new, "actions");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore("dedup"), Serdes.String(), Serdes.Long())
            .withCachingEnabled(),
        "gate");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore("throttle"), Serdes.String(), Serdes.ByteArray())
            .withCachingEnabled(),
        "gate");
    for (String sink : new String[] {"outcomes", "audit", "dispatch", "dlq"}) {
      topology.addSink(sink, prefix + "." + sink, "gate");
    }
    return topology;
  }

  public static void main(String[] args) {
    Properties p = new Properties();
    p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
    p.put(StreamsConfig.APPLICATION_ID_CONFIG, args[1] + ".streams");
    p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Integer.parseInt(args[2]));
    p.put(StreamsConfig.STATE_DIR_CONFIG, args[3]);
    p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    p.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    p.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
    p.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), "5000");
    p.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
    p.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), "5");
    p.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), "262144");
    KafkaStreams streams = new KafkaStreams(topology(args[1]), p);
    Runtime.getRuntime()
        .addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(10))));
    streams.start();
  }
}
