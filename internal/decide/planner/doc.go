// Package planner turns a selection of hosts into a plan.
package planner
