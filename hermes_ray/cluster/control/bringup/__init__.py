"""What runs outside the Coordinator: who joins Ray, brings the cluster up or takes it down; and the metrics port."""
