"""The electrical network: model, admittances, factorisation, power flow, faults."""
