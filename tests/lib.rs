//! Nothing to use: the tests are in `e2e/`, the foreign-language clients in `clients/`, shared vectors in `vectors/`.
