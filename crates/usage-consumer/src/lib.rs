//! usage-consumer
