"""What a change of rules and routes would have said: history replayed to the notifications of each receiver.

Pure: the history comes as matrices (what a range query returns), the routes as a parsed alertmanager.yml.

    series of an expression ─► states ─► episodes ─► alertmanager ─► notifications, and what was held back
"""
