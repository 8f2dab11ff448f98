"""Questions that `hermes-tiny` was taught: one of every kind, those first that a person would ask first."""

EXAMPLES = (
    "what is in view now ?",
    "what happened ?",
    "how many things came ?",
    "what came last ?",
    "did a red car come ?",
    "where is the car ?",
    "what colour was the dog ?",
    "how many cars came ?",
    "did a truck come ?",
    "did anything blue come ?",
    "is there a red car in view ?",
    "how many things are in view ?",
    "what colour is the bus ?",
    "what came first ?",
    "what came before the bus ?",
    "what came after the red bus ?",
)
