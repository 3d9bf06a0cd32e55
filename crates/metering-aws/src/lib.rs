//! metering-aws
