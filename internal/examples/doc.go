// Package examples has tests alone: what examples/dbt promises to people who use dbt, tried with dbt itself, the program as it is built, and
// logins that can or cannot read.
//
//	TEST_DBT_BIN=$(../../.ci/fetch-dbt) go test .
//
// Without dbt they are skipped.
package examples
