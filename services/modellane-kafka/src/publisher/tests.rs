use super::*;
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

/// A broker that has lost what it had acknowledged answers that numbers of messages are missing. No real one
/// can be made to lose that and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_failed_for_good_is_replaced() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("usage", 1, 1).unwrap();
    let publisher = Publisher::new(&KafkaConfig::single_node(cluster.bootstrap_servers())).unwrap();
    publisher.publish("usage", b"key", b"before").await.unwrap();
    let before = publisher.producer();
    let lost = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    cluster.request_errors(RDKafkaApiKey::Produce, &[lost]);
    let mut attempts = 0;
    while let Err(error) = publisher.publish("usage", b"key", b"after").await {
        assert!(error.is_retryable(), "{error}");
        attempts += 1;
        assert!(attempts < 5, "{error}");
    }
    assert!(!Arc::ptr_eq(&before, &publisher.producer()), "the first producer goes on");
    assert!(before.client().fatal_error().is_some());
}
