-- Purpose: how a text in lower case is split into words, as regular expressions. Grain: one row.
-- Inputs: none. Window: none.
-- Caveat: a name with letters that are not Latin is found anywhere in a text: Chinese is written without spaces.
select
    '[^a-z0-9À-ÿ]+' as between_words,
    '[^ -~À-ÿ]' as other_letters
