// Package report makes evidence for auditors: who has, or had, what, by which path, asked for by whom and why, and since when; with the rules, their
// violations, and what makes sure that the audit is whole. A report reads in one transaction that only reads, holds no more than the memberships in memory,
// and has the same bytes whenever it is made of the same state.
package report
